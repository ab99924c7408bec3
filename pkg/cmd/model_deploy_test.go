// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericclioptions"
)

// modelDeploy deploys a service without waiting for it, as an az user types it.
func (w *world) modelDeploy(args ...string) said {
	w.t.Helper()
	return w.run(append([]string{"model", "deploy", "-n", "diabetes", "-m", "model.txt", "-es", "score.py", "--no-wait"},
		args...)...)
}

func (w *world) fine(r said) said {
	w.t.Helper()
	if r.code != 0 {
		w.t.Fatalf("exit code %d: %s", r.code, r.err)
	}
	return r
}

// value is what the release in force says at a path of keys, as text.
func (w *world) value(path string) string {
	w.t.Helper()
	s, err := w.connect(genericclioptions.NewConfigFlags(false))
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := s.Releases.Get(w.t.Context(), "diabetes")
	if err != nil {
		w.t.Fatal(err)
	}
	var at any = r.Values
	for key := range strings.SplitSeq(path, ".") {
		inner, ok := at.(map[string]any)
		if !ok {
			return ""
		}
		at = inner[key]
	}
	return fmt.Sprint(at)
}

// remarks are the lines on stderr but those on images, and on the Service that
// this world does not have.
func (s said) remarks() string {
	var lines []string
	for line := range strings.Lines(s.err) {
		if !strings.HasPrefix(line, "image: ") && !strings.Contains(line, "where it is reached is not known") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

const (
	noteReach = "note: the endpoint gets a load balancer, to be reached from outside as in Azure ML: keep it inside with " +
		"--service-type ClusterIP, or AML_SERVICE_TYPE\n"
	noMeaning = ": has no meaning without autoscaling: set autoScaler.autoscaleEnabled to true, or remove it\n"
)

// effect is what a flag of model deploy does: a value in the release, or words.
type effect struct {
	args        string
	path, value string
	says        string
}

// effects has every flag of Azure ML's model deploy, by name and short name.
func effects() map[string]effect {
	const old = ": is not built into an image here: the environment image is taken as it is"
	const on = " --as true"
	const v, probe = "versions.main.", "versions.main.probes.liveness."
	return map[string]effect{
		"model m":                            {args: "-m second=model.txt", path: v + "models", value: "[local/model.txt:1 local/second:1]"},
		"model-metadata-file f":              {args: "-f absent.json", says: "the model metadata file cannot be read"},
		"inference-config-file ic":           {args: "-ic ic.json", path: v + "env.LEVEL", value: "3"},
		"deploy-config-file dc":              {args: "-dc dc.json", path: v + "replicas", value: "2"},
		"compute-target ct":                  {args: "-ct lab", says: `note: compute target "lab" is neither a compute nor a context`},
		"compute-type cp":                    {args: "-cp ACI", path: "auth.mode", value: "none"},
		"entry-script es":                    {args: "-es other.py", path: v + "entryScript", value: "other.py"},
		"source-directory sd":                {args: "-sd code -es main.py", path: v + "sourceDirectory", value: "code"},
		"environment-name e":                 {args: "-e AzureML-Minimal", says: `note: no environment "AzureML-Minimal" is registered in`},
		"environment-version ev":             {args: "-e AzureML-Minimal -ev 0", says: `environment "AzureML-Minimal" has the version "0"`},
		"environment-directory ed":           {args: "-ed absent", says: "absent/azureml_environment.json: does not exist"},
		"runtime rt":                         {args: "-rt spark-py", says: "--runtime" + old},
		"conda-file cf":                      {args: "-cf conda.yml", says: "--conda-file" + old},
		"extra-docker-file-steps ds":         {args: "-ds conda.yml", says: "--extra-docker-file-steps" + old},
		"enable-gpu eg":                      {args: "-eg", says: "--enable-gpu" + old},
		"cuda-version cv":                    {args: "-cv 10.0", says: "--cuda-version" + old},
		"base-image bi":                      {args: "-bi x/y:1", says: "--base-image" + old},
		"base-image-registry ir":             {args: "-ir x.azurecr.io", says: "baseImageRegistry" + old},
		"autoscale-enabled as":               {args: "-as true", path: v + "autoscaling.enabled", value: "true"},
		"autoscale-min-replicas mi":          {args: "-mi 2" + on, path: v + "autoscaling.minReplicas", value: "2"},
		"autoscale-max-replicas ma":          {args: "-ma 7" + on, path: v + "autoscaling.maxReplicas", value: "7"},
		"autoscale-refresh-seconds ar":       {args: "-ar 2" + on, says: "note: --autoscale-refresh-seconds: has no effect"},
		"autoscale-target-utilization at":    {args: "-at 50" + on, path: v + "autoscaling.targetUtilization", value: "50"},
		"num-replicas nr":                    {args: "-nr 3", path: v + "replicas", value: "3"},
		"cpu-cores cc":                       {args: "-cc 0.25", path: v + "resources.requests.cpu", value: "250m"},
		"cpu-cores-limit ccl":                {args: "-ccl 2", path: v + "resources.limits.cpu", value: "2000m"},
		"memory-gb gb":                       {args: "-gb 1.5", path: v + "resources.requests.memory", value: "1536Mi"},
		"memory-gb-limit gbl":                {args: "-gbl 2", path: v + "resources.limits.memory", value: "2048Mi"},
		"gpu-cores gc":                       {args: "-gc 2", path: v + "accelerator.count", value: "2"},
		"auth-enabled ae":                    {args: "-ae false", path: "auth.mode", value: "none"},
		"token-auth-enabled":                 {args: "--token-auth-enabled", says: "error: token auth is not served"},
		"primary-key kp":                     {args: "-kp abc", says: "warning: a key on a command line can be read by others"},
		"secondary-key ks":                   {args: "-ks abc", says: "warning: a key on a command line can be read by others"},
		"enable-app-insights ai":             {args: "-ai", says: "warning: appInsightsEnabled sends nothing"},
		"collect-model-data md":              {args: "-md true", says: "warning: dataCollection.storageEnabled sends nothing"},
		"scoring-timeout-ms tm":              {args: "-tm 5000", path: v + "scoringTimeoutMs", value: "5000"},
		"replica-max-concurrent-requests rm": {args: "-rm 4", path: v + "maxConcurrentRequests", value: "4"},
		"max-request-wait-time mr":           {args: "-mr 900", path: v + "maxQueueWaitMs", value: "900"},
		"period-seconds ps":                  {args: "-ps 11", path: probe + "periodSeconds", value: "11"},
		"initial-delay-seconds id":           {args: "-id 12", path: probe + "initialDelaySeconds", value: "12"},
		"timeout-seconds ts":                 {args: "-ts 13", path: probe + "timeoutSeconds", value: "13"},
		"success-threshold st":               {args: "-st 2", says: "warning: --success-threshold: is taken for 1, not 2"},
		"failure-threshold ft":               {args: "-ft 14", path: probe + "failureThreshold", value: "14"},
		"namespace":                          {args: "--namespace Models", says: "namespace: must be 1 to 63 lower-case letters"},
		"traffic-percentile tp":              {args: "-cp AKSENDPOINT -tp 2.5", path: v + "traffic", value: "2.5"},
		"version-name vn":                    {args: "-cp AKSENDPOINT -vn blue", path: "defaultVersion", value: "blue"},
		"description":                        {args: "--description patients", path: "description", value: "patients"},
		"tag":                                {args: "--tag a=b --tag c=d=e", path: "tags", value: "map[a:b c:d=e]"},
		"property":                           {args: "--property a=b", path: "properties", value: "map[a:b]"},
		"port po":                            {args: "-po 6789", says: "--port: is not read for computeType AKS, only for LOCAL"},
		"profile-input pi":                   {args: "-pi profile.json", path: v + "resources.requests.cpu", value: "700m"},
		"dns-name-label dn":                  {args: "-dn x", says: "--dns-name-label: is not read for computeType AKS"},
		"location lo":                        {args: "-lo x", says: "--location: is not read for computeType AKS"},
		"ssl-enabled se":                     {args: "-cp ACI -se -sc x -sp model.txt -sk model.txt", says: "--ssl-enabled: has no effect"},
		"ssl-cname sc":                       {args: "-cp ACI -sc x", says: "--ssl-cname: has no effect"},
		"ssl-cert-pem-file sp":               {args: "-cp ACI -sp x", says: "--ssl-cert-pem-file: has no effect"},
		"ssl-key-pem-file sk":                {args: "-cp ACI -sk x", says: "--ssl-key-pem-file: has no effect"},
		"vnet-name":                          {args: "-cp ACI --vnet-name x --subnet-name y", says: "--vnet-name: has no effect"},
		"subnet-name":                        {args: "-cp ACI --vnet-name x --subnet-name y", says: "--subnet-name: has no effect"},
		"vault-base-url": {args: "-cp ACI --vault-base-url x --key-name y --key-version z",
			says: "--vault-base-url: has no effect"},
		"key-name": {args: "-cp ACI --vault-base-url x --key-name y --key-version z", says: "--key-name: has no effect"},
		"key-version": {args: "-cp ACI --vault-base-url x --key-name y --key-version z",
			says: "--key-version: has no effect"},
		"workspace-name w": {args: "-w x", says: "note: not used: --workspace-name"},
		"resource-group g": {args: "-g x", says: "note: not used: --resource-group"},
		"subscription-id":  {args: "--subscription-id x", says: "note: not used: --subscription-id"},
		"path":             {args: "--path x", says: "note: not used: --path"},
	}
}

// withFiles writes the files that effects name.
func withFiles(w *world) {
	w.write("other.py", "def init(): pass\ndef run(data): return data\n")
	w.write("conda.yml", "dependencies: [pip: [azureml-defaults]]\n")
	w.write("dc.json", `{"computeType": "AKS", "numReplicas": 2}`)
	w.write("profile.json", `{"recommendedCpu": 0.7, "recommendedMemoryInGB": 1.25}`)
	w.write("ic.json", `{"entryScript": "score.py", "environment": {"name": "e", "docker": {"baseImage": "x/y:1"},
		"environmentVariables": {"LEVEL": 3}}}`)
	w.folder("code", "main.py", "def init(): pass\ndef run(data): return data\n")
}

// No flag of Azure ML's model deploy is taken without a word or an effect.
func TestEveryFlagOfModelDeployDoesOrSaysSomething(t *testing.T) {
	t.Parallel()
	for name, e := range effects() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			withFiles(w)
			args := strings.Fields("-cp AKS " + e.args)
			if strings.Contains(e.args, "-dc ") {
				args = strings.Fields(e.args)
			}
			r := w.modelDeploy(args...)
			if e.says != "" && strings.Count(r.err, e.says) == 1 {
				return
			}
			if e.says != "" || r.code != 0 {
				t.Fatalf("%s: exit code %d, want to read %q once\n%s", e.args, r.code, e.says, r.err)
			}
			if strings.Contains(e.args, "AKSENDPOINT") {
				e.path = strings.Replace(e.path, "versions.main.", "versions.diabetes.", 1)
			}
			if got := w.value(e.path); got != e.value {
				t.Errorf("%s: %s is %s, want %s", e.args, e.path, got, e.value)
			}
		})
	}
}

func TestModelDeployMakesAService(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("dc.json", `{"computeType": "aks", "numReplicas": 2, "computeTargetName": "lab"}`)
	noteTarget := "note: compute target \"lab\" is neither a compute nor a context of the kubeconfig: " +
		"the current one, here, is deployed to; kubectl aml compute attach makes its cluster one\n"
	w.write("kube", "{apiVersion: v1, kind: Config, current-context: here, contexts: [{name: here}, {name: there}]}")
	kube := w.dir + "/kube"
	r := w.fine(w.modelDeploy("-dc", "dc.json", "--kubeconfig", kube))
	if got := r.remarks(); got != noteTarget+noteReach {
		t.Errorf("got\n%swant\n%s", got, noteTarget+noteReach)
	}
	for path, want := range map[string]string{
		"defaultVersion": "main", "versions.main.replicas": "2", "router.service.type": "LoadBalancer", "auth.mode": "key",
		"versions.main.models": "[local/model.txt:1]",
	} {
		if got := w.value(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	r = w.modelDeploy("-dc", "dc.json")
	want := `error: service "diabetes" is there already: add --overwrite to replace it, or take another name` + "\n"
	if r.code != 1 || !strings.HasSuffix(r.err, want) || r.out != "" {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
	}
	for context, want := range map[string]string{
		"there": "",
		"lab":   noteTarget,
	} {
		r = w.fine(w.modelDeploy("-dc", "dc.json", "--overwrite", "-nr", "3", "--kubeconfig", kube, "-ct", context))
		if got := r.remarks(); got != want {
			t.Errorf("%s: got\n%swant\n%s", context, got, want)
		}
	}
	if got := w.value("versions.main.replicas") + w.value("router.service.type"); got != "3LoadBalancer" {
		t.Errorf("after --overwrite: %s", got)
	}
	r = w.fine(w.modelDeploy("-dc", "dc.json", "--overwrite", "--kubeconfig", kube, "--context", "here"))
	if want := "note: compute target \"lab\" is left aside: --context here goes before it\n"; r.remarks() != want {
		t.Errorf("got\n%swant\n%s", r.remarks(), want)
	}
}

func TestOverwritingReplacesTheWholeEndpoint(t *testing.T) {
	t.Parallel()
	w, _ := withPods(t)
	w.fine(w.modelDeploy("-cp", "AKSENDPOINT", "-tp", "20", "--service-type", "NodePort"))
	if got := w.value("defaultVersion") + w.value("versions.diabetes.traffic") + w.value("router.service.type"); got !=
		"diabetes20NodePort" {
		t.Errorf("got %s", got)
	}
	w.fine(w.run("endpoint", "realtime", "create-version", "-n", "diabetes", "--vn", "green", "-m", "model.txt",
		"-es", "score.py", "--no-wait", "--is-default"))
	r := w.fine(w.modelDeploy("-cp", "AKS", "--overwrite"))
	if want := "note: version diabetes is deleted: --overwrite replaces the whole endpoint\n"; r.remarks() != want {
		t.Errorf("got\n%swant\n%s", r.remarks(), want)
	}
	if got := w.run("get", "versions", "-o", "name").out; got != "version/green\n" {
		t.Errorf("left: %s", got)
	}
	if got := w.value("router.service.type"); got != "NodePort" {
		t.Errorf("the way it is reached has become %s", got)
	}
}

func TestAFlagGoesBeforeTheFileAndTheFileBeforeTheDefault(t *testing.T) {
	t.Parallel()
	const memory, replicas = "versions.main.resources.requests.memory", "versions.main.replicas"
	for name, c := range map[string]struct{ file, args, path, want string }{
		"default":                  {`{"computeType": "AKS", "numReplicas": 1}`, "", memory, "512Mi"},
		"file":                     {`{"computeType": "AKS", "numReplicas": 4}`, "", replicas, "4"},
		"flag":                     {`{"computeType": "AKS", "numReplicas": 4}`, "--nr=5", replicas, "5"},
		"flag alone":               {"", "--cp AKS --num-replicas 5", replicas, "5"},
		"false before true":        {`{"computeType": "AKS", "authEnabled": true}`, "--ae False", "auth.mode", "none"},
		"the compute type":         {`{"computeType": "AKS"}`, "--cp aksendpoint", "defaultVersion", "diabetes"},
		"a compute type of a flag": {`{"versionName": "blue"}`, "--cp AKSENDPOINT", "defaultVersion", "blue"},
		"how it is reached":        {`{"computeType": "AKS", "numReplicas": 1}`, "--service-type NodePort", "router.service.type", "NodePort"},
	} {
		w := newWorld(t)
		args := strings.Fields(c.args)
		if c.file != "" {
			w.write("dc.json", c.file)
			args = append(args, "-dc", "dc.json")
		}
		w.fine(w.modelDeploy(args...))
		if got := w.value(c.path); got != c.want {
			t.Errorf("%s: %s is %s, want %s", name, c.path, got, c.want)
		}
	}
}

// The namespace of kubectl holds for every compute type: ACI's configs, which have
// none, must not have people take the flag away.
func TestTheNamespaceIsReadForAContainerInstanceToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.fine(w.modelDeploy("-cp", "ACI", "--namespace", "models"))
	if strings.Contains(r.err, "--namespace") {
		t.Errorf("the flag is said to be wrong: %s", r.err)
	}
}

func TestWhatIsWrongWithModelDeployIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("both.json", `{"computeType": "AKS", "numReplicas": 2, "autoScaler": {"autoscaleEnabled": false}}`)
	w.write("local.json", `{"computeType": "LOCAL", "port": 6789}`)
	w.write("profile.json", `{"profileName": "x"}`)
	w.write("key.json", `{"computeType": "AKS", "numReplicas": 1, "keys": {"primaryKey": "two words"}}`)
	code := "model deploy -n diabetes -m model.txt -es score.py "
	for name, c := range map[string]struct {
		args string
		code int
		want string
	}{
		"no name":         {"model deploy -cp AKS -m model.txt -es score.py", 2, "the name of the service is missing: write --name NAME"},
		"no model":        {"model deploy -n diabetes -cp AKS -es score.py", 2, "no model: give --model as NAME:VERSION"},
		"no code":         {"model deploy -n diabetes -cp AKS -m model.txt", 2, "nothing to deploy: give --inference-config-file, --entry-script or --image"},
		"no compute type": {code, 2, "no compute type: give --deploy-config-file, or --compute-type with AKS, AKSENDPOINT or ACI"},
		"another compute type": {code + "-cp MIR", 2,
			`compute type "MIR" is not known: write AKS for one version, AKSENDPOINT for several`},
		"this machine": {code + "-dc local.json", 1, "deployments on this machine are not available yet"},
		"a bad name":   {strings.Replace(code, "diabetes", "v1", 1) + "-cp AKS", 1, `endpoint name "v1" is not valid`},
		"a bad number": {code + "-cp AKS -nr two", 1, `--num-replicas: must be a whole number, not the text "two"`},
		"flag and file": {code + "-dc both.json -as true", 1,
			"numReplicas: cannot be given while autoscaling is on: remove it, or set autoScaler.autoscaleEnabled to false"},
		"a range without autoscaling": {code + "-cp AKS -mi 2", 1,
			strings.TrimSuffix("--autoscale-min-replicas"+noMeaning, "\n")},
		"no pair":                    {code + "-cp AKS --tag stage", 2, `--tag "stage": write NAME=VALUE`},
		"a key that no header takes": {code + "-dc key.json", 1, "key.json: primaryKey cannot be sent in a header"},
		"such a key in a flag":       {code + "-cp AKS -ks é", 1, "error: secondaryKey cannot be sent in a header"},
		"a service type":             {code + "-cp AKS --service-type Ingress", 2, `service type "Ingress" is not known`},
		"a folder without code": {"model deploy -n diabetes -m model.txt -cp AKS -sd .", 2,
			"give --inference-config-file or --entry-script too"},
		"a profile without a result": {code + "-cp AKS -pi profile.json", 1,
			"profile.json lacks recommendedCpu or recommendedMemoryInGB"},
	} {
		r := w.run(strings.Fields(c.args)...)
		if r.code != c.code || !strings.Contains(r.err, c.want) || r.out != "" {
			t.Errorf("%s: exit code %d, want %d and %q\n%s%s", name, r.code, c.code, c.want, r.out, r.err)
		}
		if strings.Contains(r.err, "image: ") {
			t.Errorf("%s: an image is made first\n%s", name, r.err)
		}
	}
	w.env["AML_ENVIRONMENT_IMAGE"] = ""
	r := w.modelDeploy("-cp", "AKS", "-e", "AzureML-Minimal", "-ev", "3")
	if want := `--environment-name: no environment "AzureML-Minimal" is registered in REGISTRY: register it with`; r.code != 1 ||
		!strings.Contains(r.err, want) {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
	if left := w.cluster.Names(); len(left) > 0 {
		t.Errorf("something was deployed: %v", left)
	}
}

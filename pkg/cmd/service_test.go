// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
)

// serve lets the router and the versions of diabetes be ready in the cluster,
// the router on a node.
func (w *world) serve(versions ...string) {
	w.t.Helper()
	client, ctx := w.cluster.Clientset, w.t.Context()
	_, err := client.CoreV1().Services("models").Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "diabetes", Namespace: "models"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Port: 80, NodePort: 30080}}},
	}, metav1.CreateOptions{})
	w.must(err)
	w.workload("diabetes-router", map[string]string{"app.kubernetes.io/component": "router"})
	for _, version := range versions {
		w.workload("diabetes-"+version, map[string]string{"kubectl-aml/version": version})
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// workload makes a Deployment with its one ready pod.
func (w *world) workload(name string, labels map[string]string) {
	w.t.Helper()
	labels["app.kubernetes.io/instance"], labels["app.kubernetes.io/name"] = "diabetes", "inference"
	meta := func(suffix string, owner types.UID) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: name + suffix, Namespace: "models", Labels: labels,
			Annotations:     map[string]string{"deployment.kubernetes.io/revision": "1"},
			OwnerReferences: []metav1.OwnerReference{{Name: name, UID: owner, Controller: ptr.To(owner != "")}}}
	}
	client, ctx, none := w.cluster.Clientset, w.t.Context(), metav1.CreateOptions{}
	deployment, err := client.AppsV1().Deployments("models").Create(ctx, &appsv1.Deployment{ObjectMeta: meta("", ""),
		Status: appsv1.DeploymentStatus{UpdatedReplicas: 1, AvailableReplicas: 1}}, none)
	w.must(err)
	set, err := client.AppsV1().ReplicaSets("models").Create(ctx, &appsv1.ReplicaSet{ObjectMeta: meta("-1", deployment.UID),
		Status: appsv1.ReplicaSetStatus{Replicas: 1, AvailableReplicas: 1, ReadyReplicas: 1}}, none)
	w.must(err)
	_, err = client.CoreV1().Pods("models").Create(ctx, &corev1.Pod{ObjectMeta: meta("-1-a", set.UID),
		Status: corev1.PodStatus{Phase: corev1.PodRunning, HostIP: "10.0.0.4",
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}}, none)
	w.must(err)
}

// az runs a command and returns what it answers; it must not fail.
func (w *world) az(args ...string) string {
	w.t.Helper()
	r := w.run(args...)
	if r.code != 0 {
		w.t.Fatalf("%v ended with %d: %s", args, r.code, r.err)
	}
	return r.out
}

func TestServicesAreShownAsAzShowsThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("main")
	w.serve("main")
	for command, want := range map[string]string{
		"service show -n diabetes --query scoringUri -o tsv":                           "http://10.0.0.4:30080/api/v1/service/diabetes/score\n",
		"service show --name diabetes --query state -o TSV":                            "Healthy\n",
		"service show -n diabetes --query [computeType,tags]":                          "[\n  \"AKS\",\n  {}\n]\n",
		"service show -n diabetes --query authEnabled -o tsv":                          "",
		"service show -n diabetes --query workspaceName -v":                            "\"models\"\n",
		"service show -n diabetes --query nothing":                                     "",
		"service show -n diabetes -o none":                                             "",
		"service list -o table --query [].{N:name,S:state}":                            "N         S\n--------  -------\ndiabetes  Healthy\n",
		"service list -c AKSENDPOINT":                                                  "[]\n",
		"service list -c aci":                                                          "[]\n",
		"service list --tag team":                                                      "[]\n",
		"service list --model-name none -o tsv":                                        "",
		"service list --image-digest sha256:00 -o tsv":                                 "",
		"service list -c aks --query length(@)":                                        "1\n",
		"endpoint realtime show -n diabetes --query versions.main.isDefault -o tsv":    "true\n",
		"endpoint realtime show -n diabetes --query keys(@)|[?starts_with(@,'ver')]":   "[\n  \"versions\"\n]\n",
		"endpoint realtime show -n diabetes -v --query deploymentStatus.replicas":      "1\n",
		"endpoint realtime list --query [].name -o tsv":                                "diabetes\n",
		"service get-keys -n diabetes --query length(primaryKey) -o tsv":               "32\n",
		"endpoint realtime get-keys -n diabetes --query [keys(@)] -o tsv":              "primaryKey\tsecondaryKey\n",
		"service show -n diabetes --query name -o tsv -w ws -g rg --only-show-errors":  "diabetes\n",
		"service show -ndiabetes --query=name -otsv --subscription-id 0 --path . -w x": "diabetes\n",
	} {
		if got := w.az(strings.Fields(command)...); got != want {
			t.Errorf("%s prints\n%s\nwant\n%s", command, got, want)
		}
	}
}

// A first deployment that failed and was kept can be looked at, as in Azure ML.
func TestAServiceThatHasFailedIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cluster.Refuse = func(_, object string) error {
		if object == "Deployment/diabetes-main" {
			return errors.New("quota exceeded")
		}
		return nil
	}
	if r := w.deploy("main", "--no-rollback"); r.code != 1 {
		t.Fatalf("exit code %d: %s", r.code, r.err)
	}
	w.env["AZURE_CORE_OUTPUT"] = "tsv"
	want := "Failed\tKubernetesDeploymentFailed\n"
	if got := w.az("service", "show", "-n", "diabetes", "-v", "--query", "[[state,error.code]]"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := w.az("endpoint", "realtime", "list", "--query", "[].state"); got != "Failed\n" {
		t.Errorf("listed as %q", got)
	}
}

func TestServiceRemarksGoToTheErrorStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("main")
	for command, want := range map[string]string{
		"service show -n diabetes -w ws -g rg": "note: not used: --workspace-name, --resource-group; ",
		"service show -n diabetes --debug":     "note: --debug and --verbose are not used",
		"service show -n diabetes":             "note: diabetes: where it is reached is not known: ",
		"service get-logs -n diabetes -i":      "note: there is no init container",
		"service delete -n iris":               "no service with name iris found to delete",
		"endpoint realtime delete -n iris":     "no endpoint with name iris found to delete",
	} {
		r := w.run(strings.Fields(command)...)
		if r.code != 0 || strings.Count(r.err, want) != 1 {
			t.Errorf("%s: exit code %d, %s, want %s", command, r.code, r.err, want)
		}
		if quiet := w.run(append(strings.Fields(command), "--only-show-errors")...); quiet.err != "" || quiet.code != 0 {
			t.Errorf("%s --only-show-errors says %s", command, quiet.err)
		}
	}
}

func TestWhatIsWrongWithAServiceCommandIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("main")
	for command, c := range map[string]struct {
		code int
		want string
	}{
		"service show":                                     {2, "the name of the service is missing: write --name NAME"},
		"endpoint realtime show":                           {2, "the name of the endpoint is missing"},
		"service show -n iris":                             {1, `no endpoint "iris" in namespace "models"`},
		"service show -n diabetes -o wide":                 {2, `output format "wide" is not known here: write one of json, jsonc`},
		"service show -n diabetes --query [":               {2, `query "[" is no JMESPath at character 2: `},
		"service show -n diabetes --query length(nothing)": {1, `query "length(nothing)": `},
		"service show diabetes":                            {2, "a name is no argument here: write kubectl aml service show --name diabetes"},
		"service list -c vm":                               {2, `compute type "vm" is not known: write one of AKS, AKSENDPOINT, ACI, LOCAL`},
		"service run -n diabetes":                          {2, "there is nothing to send: write --input-data"},
		"service get-logs -n diabetes -l 0":                {2, "0 lines: write 1 or more"},
		"service get-logs -n iris -i":                      {1, `no endpoint "iris"`},
		"service regen-key -n diabetes -k first":           {2, `key "first" is not known: write Primary or Secondary`},
		"service regen-key -n diabetes":                    {2, `key "" is not known: write Primary or Secondary`},
		"service regen-key -n diabetes -k primary -s @no":  {1, "the key cannot be read: "},
		"service regen-key -n diabetes -k primary -s -":    {1, "there is no key in -: write one line"},
		"keys regenerate diabetes third":                   {2, `key "third" is not known`},
		"keys regenerate iris primary":                     {1, `no endpoint "iris"`},
		"service get-access-token -n diabetes":             {1, "tokens are not served yet: callers use one of the two keys"},
		"endpoint realtime delete-version -n diabetes":     {2, "the name of the version is missing: write --version-name"},
		"service get-logs -n diabetes --num_lines 7":       {1, `endpoint "diabetes" has no pod with a scoring container`},
		"service get-logs -n diabetes --num-lines 7":       {1, `endpoint "diabetes" has no pod with a scoring container`},
		"service run -n diabetes -d {}":                    {1, `no router of endpoint "diabetes" is ready`},
		"service get-logs -n iris -o tsv":                  {1, "note: --output and --query are not used: the answer is text"},
		"endpoint realtime delete-version -n iris --vn a":  {1, `no endpoint "iris"`},
		"service show -n diabetes --query &name -o tsv":    {1, "an expression behind & is for a function"},
		"endpoint realtime list --image-digest sha256:12":  {2, "unknown flag: --image-digest"},
	} {
		r := w.run(strings.Fields(command)...)
		if r.code != c.code || !strings.Contains(r.err, c.want) || strings.Count(r.err, "error: ") != 1 || r.out != "" {
			t.Errorf("%s: exit code %d, want %d and %q\n%s%s", command, r.code, c.code, c.want, r.out, r.err)
		}
	}
}

// locks are routers that admit whatever keys they were given last. They take up
// those in the Secret when they are touched.
type locks struct {
	w        *world
	admitted []string
	asked    int
	// meanwhile is called before the routers answer.
	meanwhile func()
}

func (l *locks) Pods(context.Context) ([]rollout.Pod, error) {
	return []rollout.Pod{{Name: "a", UID: "a", Ready: true}}, nil
}

func (l *locks) Touch(ctx context.Context, _, _ string) error {
	secret, err := l.w.cluster.Clientset.CoreV1().Secrets("models").Get(ctx, "diabetes-keys", metav1.GetOptions{})
	if err == nil {
		l.admitted = []string{string(secret.Data["primaryKey"]), string(secret.Data["secondaryKey"])}
	}
	return err
}

func (l *locks) Admits(_ context.Context, _ string, keys ...string) ([]bool, error) {
	if l.asked++; l.meanwhile != nil {
		l.meanwhile()
		return nil, errors.New("not yet")
	}
	in := make([]bool, 0, len(keys))
	for _, key := range keys {
		in = append(in, slices.Contains(l.admitted, key))
	}
	return in, nil
}

func (w *world) locked() *locks {
	l := &locks{w: w}
	w.doors = func(string) rollout.Doors { return l }
	return l
}

func TestAKeyIsChangedOnEveryRouter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("main")
	l := w.locked()
	keys := func() []string { return strings.Fields(w.az("keys", "get", "diabetes", "-o", "name")) }
	w.write("key.txt", "from-a-file\n")
	w.in = "from-standard-input\n"
	before := keys()
	for i, step := range []struct{ command, primary, secondary, out, err string }{
		{command: "keys regenerate diabetes primary", secondary: before[1], out: "endpoint/diabetes primary key regenerated\n"},
		{command: "service regen-key -n diabetes -k SECONDARY --query length(secondaryKey)", out: "32\n"},
		{command: "service regen-key -n diabetes -k Primary -s @key.txt --query primaryKey -o tsv", primary: "from-a-file",
			out: "from-a-file\n"},
		{command: "endpoint realtime regen-key -n diabetes -k primary --set-key - --query primaryKey -o tsv",
			primary: "from-standard-input", out: "from-standard-input\n"},
		{command: "service regen-key -n diabetes -k secondary -s visible --query secondaryKey -o tsv",
			primary: "from-standard-input", secondary: "visible", out: "visible\n",
			err: "warning: a key on the command line can be seen by others: write --set-key @FILE, or - for standard input\n"},
	} {
		had, asked := keys(), l.asked
		r := w.run(strings.Fields(step.command)...)
		if r.code != 0 || r.out != step.out || r.err != step.err {
			t.Fatalf("%s: exit code %d, %q, %q", step.command, r.code, r.out, r.err)
		}
		now := keys()
		if step.primary != "" && now[0] != step.primary || step.secondary != "" && now[1] != step.secondary {
			t.Errorf("step %d: the keys are %v", i, now)
		}
		if (now[0] == had[0]) == (now[1] == had[1]) {
			t.Errorf("step %d: of %v became %v, not one of the two keys was changed", i, had, now)
		}
		if !slices.Equal(l.admitted, now) || l.asked == asked {
			t.Errorf("step %d: the routers admit %v", i, l.admitted)
		}
	}
}

func TestAKeyThatOthersChangeMeanwhileIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("main")
	w.locked().meanwhile = func() {
		secrets := w.cluster.Clientset.CoreV1().Secrets("models")
		secret, err := secrets.Get(t.Context(), "diabetes-keys", metav1.GetOptions{})
		w.must(err)
		secret.Data["primaryKey"] = []byte("theirs")
		_, err = secrets.Update(t.Context(), secret, metav1.UpdateOptions{})
		w.must(err)
	}
	r := w.run("keys", "regenerate", "diabetes", "primary")
	if want := "the primary key of diabetes was changed again by somebody else"; r.code != 1 || !strings.Contains(r.err, want) {
		t.Errorf("exit code %d: %s, want %s", r.code, r.err, want)
	}
}

func TestRunCallsAsServiceRunDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("main")
	w.serve("main")
	answers := []int{http.StatusUnauthorized, http.StatusOK, http.StatusUnauthorized, http.StatusUnauthorized, http.StatusBadGateway}
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Type")+" "+string(body))
		out.WriteHeader(answers[len(asked)-1])
		_, _ = io.WriteString(out, `{"sum": 3}`+"\n")
	}))
	t.Cleanup(server.Close)
	w.forward = func(context.Context, string) (string, func(), error) { return server.URL, func() {}, nil }
	if got := w.az("service", "run", "-n", "diabetes", "-d", `{"data": [1, 2]}`); got != "{\"sum\": 3}\n" {
		t.Errorf("prints %q", got)
	}
	for _, want := range []string{"error: diabetes answered 401: ", "error: diabetes answered 502: "} {
		if r := w.run("endpoint", "realtime", "run", "-n", "diabetes", "-d", `{"data": [1, 2]}`); r.code != 1 ||
			!strings.Contains(r.err, want) {
			t.Errorf("exit code %d: %s, want %s", r.code, r.err, want)
		}
	}
	want := `POST /api/v1/service/diabetes/score application/json {"data": [1, 2]}`
	if len(asked) != 5 || slices.ContainsFunc(asked, func(got string) bool { return got != want }) {
		t.Errorf("asked %q", asked)
	}
}

func TestServicesAreDeletedAsAzDeletesThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("main")
	w.mustDeploy("green")
	got := w.az("endpoint", "realtime", "delete-version", "-n", "diabetes", "-vn", "green", "--no-wait")
	if got != "{\n  \"name\": \"green\"\n}\n" {
		t.Errorf("delete-version prints %q", got)
	}
	if got := w.az("get", "versions", "-o", "name"); got != "version/main\n" {
		t.Errorf("left: %s", got)
	}
	if got := w.az("service", "delete", "-n", "diabetes", "-o", "tsv"); got != "diabetes\n" {
		t.Errorf("delete prints %q", got)
	}
	if left := w.cluster.Names(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

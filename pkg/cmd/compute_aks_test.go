// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	k8stesting "k8s.io/client-go/testing"

	"github.com/kubectl-aml/kubectl-aml/internal/armfake"
	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
	"github.com/kubectl-aml/kubectl-aml/pkg/cmd"
)

// handedOut is the kubeconfig that Azure gives out for a cluster.
const handedOut = `apiVersion: v1
clusters: [{name: fraud, cluster: {server: "https://127.0.0.1:9443"}}]
contexts: [{name: fraud, context: {cluster: fraud, user: clusterUser_ml_fraud}}]
current-context: fraud
kind: Config
users:
- name: clusterUser_ml_fraud
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      command: kubelogin
      args: [get-token, --login, devicecode, --server-id, 6dae42f8-4368-4678-94ff-3960e28e3630]
      interactiveMode: IfAvailable
`

// signedIn is a credential whose token is always the same.
type signedIn struct{}

func (signedIn) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "secret" + o.TenantID, ExpiresOn: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}, nil
}

// newAzureWorld is a compute world with Azure beside it, which hands out the
// world's cluster.
func newAzureWorld(t *testing.T, o armfake.Options) (*world, *armfake.Server) {
	t.Helper()
	o.Kubeconfig = []byte(handedOut)
	azure, w := armfake.New(t, o), newComputeWorld(t, 3, 4)
	w.env["AML_ARM_ENDPOINT"], w.env["AZURE_SUBSCRIPTION_ID"] = azure.URL, armfake.Subscription
	w.env["XDG_STATE_HOME"], w.env["XDG_CACHE_HOME"] = t.TempDir(), t.TempDir()
	w.change = func(env *cmd.Env) {
		env.Kube = func(*rest.Config) (kubernetes.Interface, error) { return w.cluster.Clientset, nil }
		env.Azure = func(o *aks.Options) {
			o.Credential, o.Transport = signedIn{}, azure.Client()
			o.Interval, o.RetryDelay = time.Millisecond, time.Millisecond
		}
	}
	return w, azure
}

// walk is a line of compute, and what it is to say.
type walk struct {
	line, out, err string
	code           int
}

func (w *world) walk(steps ...walk) {
	w.t.Helper()
	for _, step := range steps {
		got := w.compute(step.line)
		if got.code != step.code || got.out != step.out || !strings.Contains(got.err, step.err) {
			w.t.Fatalf("compute %s ended with %d, want %d, and said\n%s%s\nwant %s… %s", step.line, got.code, step.code,
				got.out, got.err, step.out, step.err)
		}
	}
}

func TestAnAKSClusterComesAndGoes(t *testing.T) {
	t.Parallel()
	w, azure := newAzureWorld(t, armfake.Options{})
	const id = "/subscriptions/" + armfake.Subscription + "/resourceGroups/ml/providers/Microsoft.ContainerService/managedClusters/fraud"
	w.walk(
		walk{line: "create aks -n fraud -g ml --agent-count 2", code: 4, err: "use --agent-count 3"},
		walk{line: "create aks -n fraud -g ml --vm-size Standard_PB6s", code: 2, err: "PBS ran only the FPGA images"},
		walk{line: "create aks -n fraud", code: 2, err: "--resource-group is missing"},
		walk{line: "create aks -n kind -g ml", code: 3, err: "a context kind, of another cluster"},
		walk{line: "create aks -n fraud -g ml --tags team=risk", out: "compute/fraud created\n", err: "Succeeded"},
		walk{line: "show fraud -o id", out: id + "\n"},
		walk{line: "create aks -n fraud -g ml --tags team=risk", code: 3, err: "exists already"},
		walk{line: "wait -n fraud", out: "compute/fraud succeeded\n"},
		walk{line: "delete -n fraud", code: 2, err: "write --yes"},
	)
	if puts := azure.Count(armfake.PutCluster); puts != 1 {
		t.Errorf("%d PUTs, want 1", puts)
	}
	shown := w.compute("show fraud -o json").out
	for _, want := range []string{`"state": "Attached"`, `"created": true`, `"vmSize": "Standard_D4s_v5"`, `"resourceId": "` + id} {
		if !strings.Contains(shown, want) {
			t.Errorf("show says no %s:\n%s", want, shown)
		}
	}
	w.in = "fraud\n"
	w.walk(
		walk{line: "delete fraud", out: "compute/fraud deleted\n", err: "Succeeded"},
		walk{line: "delete fraud --yes", code: 7, err: `no compute "fraud"`},
	)
	if strings.Contains(w.kubeconfig(), "fraud") {
		t.Errorf("the kubeconfig still has\n%s", w.kubeconfig())
	}
}

func TestACreateThatWasCutOffIsGoneOnWith(t *testing.T) {
	t.Parallel()
	denied := armfake.Fault{Match: armfake.UserKubeconfig, Status: http.StatusForbidden,
		Body: `{"error":{"code":"AuthorizationFailed","message":"The client does not have authorization to perform action ` +
			`'Microsoft.ContainerService/managedClusters/listClusterUserCredential/action' over scope"}}`}
	for name, test := range map[string]struct {
		faults []armfake.Fault
		steps  []walk
	}{
		"by wait, after its credentials were refused": {[]armfake.Fault{denied}, []walk{
			{line: "create aks -n fraud -g ml", code: 5, err: "listClusterUserCredential"},
			{line: "wait -n fraud", out: "compute/fraud created\n"},
		}},
		"by itself, after its credentials were refused": {[]armfake.Fault{denied}, []walk{
			{line: "create aks -n fraud -g ml", code: 5, err: "kubectl aml compute wait -n fraud"},
			{line: "create aks -n fraud -g ml", out: "compute/fraud created\n", err: "going on with the create"},
		}},
		"by wait, when it was not to wait": {nil, []walk{
			{line: "create aks -n fraud -g ml --no-wait", out: "compute/fraud creating\n", err: "compute wait -n fraud"},
			{line: "wait -n fraud", out: "compute/fraud created\n"},
		}},
		"not with other settings": {[]armfake.Fault{denied}, []walk{
			{line: "create aks -n fraud -g ml", code: 5},
			{line: "create aks -n fraud -g ml --agent-count 4", code: 3, err: "with other settings"},
			{line: "wait -n fraud", out: "compute/fraud created\n"},
		}},
		"by a delete": {[]armfake.Fault{denied}, []walk{
			{line: "create aks -n fraud -g ml", code: 5},
			{line: "delete -n fraud --yes", out: "compute/fraud deleted\n"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, azure := newAzureWorld(t, armfake.Options{})
			azure.Fault(test.faults...)
			w.walk(test.steps...)
			if puts := azure.Count(armfake.PutCluster); puts != 1 {
				t.Errorf("%d PUTs, want 1", puts)
			}
		})
	}
}

func TestAClusterOfAKSIsAttachedAndNotDeleted(t *testing.T) {
	t.Parallel()
	w, azure := newAzureWorld(t, armfake.Options{})
	azure.Put("ml", "prod", nil)
	const id = "/subscriptions/" + armfake.Subscription + "/resourcegroups/ml/providers/microsoft.containerservice/managedclusters/prod"
	w.walk(
		walk{line: "attach aks -n fraud", code: 2, err: "which cluster: write -i ID"},
		walk{line: "attach aks -n fraud -i /subscriptions/s/resourceGroups/ml", code: 2, err: "resource id"},
		walk{line: "attach aks -n fraud -g ml --cluster-name none", code: 7, err: "none"},
		walk{line: "attach aks -n fraud -i " + id, out: "compute/fraud attached\n"},
		walk{line: "attach aks -n fraud -g ml --cluster-name prod", out: "compute/fraud unchanged (already attached)\n"},
		walk{line: "attach aks -n other2 -g ml --cluster-name prod", code: 3, err: `already attached as "fraud"`},
		walk{line: "delete -n fraud --yes", code: 2, err: "was attached, not created"},
		walk{line: "get-credentials -n fraud", out: "compute/fraud configured\n"},
		walk{line: "get-credentials -n wrong -g ml --cluster-name prod", code: 7, err: "attached as fraud"},
		walk{line: "detach -n fraud", out: "compute/fraud detached\n"},
	)
	if deletes := azure.Count(armfake.DeleteCluster); deletes != 0 {
		t.Errorf("%d clusters were deleted", deletes)
	}
	file := w.compute("get-credentials -n prod -g ml -f - --exec-self").out
	if !strings.Contains(file, "command: kubectl-aml") || !strings.Contains(file, "6dae42f8-4368-4678-94ff-3960e28e3630") {
		t.Errorf("the kubeconfig is\n%s", file)
	}
	var token struct {
		Kind, APIVersion string
		Status           struct{ Token string }
	}
	if err := json.Unmarshal([]byte(w.compute("token --server-id x --tenant-id y").out), &token); err != nil ||
		token.Kind != "ExecCredential" || token.Status.Token != "secrety" {
		t.Errorf("the token is %+v, %v", token, err)
	}
}

func TestNodePoolsAreAddedScaledAndDeleted(t *testing.T) {
	t.Parallel()
	w, azure := newAzureWorld(t, armfake.Options{})
	azure.Put("ml", "prod", nil)
	w.walk(
		walk{line: "attach aks -n fraud -g ml --cluster-name prod", out: "compute/fraud attached\n"},
		walk{line: "nodepool add --compute fraud -n GPU! --gpu", code: 2, err: "up to 12 small letters"},
		walk{line: "nodepool add --compute fraud -n gpu --gpu", code: 2, err: "has no GPU"},
		walk{line: "nodepool add --compute fraud -n gpu --gpu -s Standard_NC4as_T4_v3 --labels team=risk", out: "nodepool/gpu created\n"},
		walk{line: "nodepool add --compute fraud -n gpu --gpu -s Standard_NC4as_T4_v3", code: 3, err: "node pool gpu"},
		walk{line: "nodepool scale --compute fraud -n gpu -c 2", out: "nodepool/gpu scaled\n"},
		walk{line: "nodepool show --compute fraud -n none", code: 7, err: "has no node pool none"},
		walk{line: "nodepool list --compute fraud -o name", out: "nodepool/gpu\n"},
		walk{line: "nodepool delete --compute fraud -n gpu --yes", out: "nodepool/gpu deleted\n"},
		walk{line: "nodepool delete --compute fraud -n gpu --yes", out: "nodepool/gpu deleted\n"},
		walk{line: "nodepool list --compute fraud -o name"},
	)
	added := azure.Matching(`^PUT .*/agentPools/gpu$`)[0]
	if body := string(added.Body); !strings.Contains(body, "sku=gpu:NoSchedule") || !strings.Contains(body, `"team":"risk"`) {
		t.Errorf("the pool was asked for with %s", body)
	}
}

func TestVersionsOfARegion(t *testing.T) {
	t.Parallel()
	w, _ := newAzureWorld(t, armfake.Options{})
	if got := w.compute("versions -l eastus"); got.code != 0 || !strings.HasPrefix(got.out, "VERSION") {
		t.Errorf("versions said %+v", got)
	}
	w.walk(walk{line: "versions", code: 2, err: "write -l LOCATION"},
		walk{line: "create aks -n fraud -g ml -k 1.2", code: 2, err: "--kubernetes-version 1.2: eastus has"})
}

func TestComputeTargetsAreThoseOfAzureML(t *testing.T) {
	t.Parallel()
	w, azure := newAzureWorld(t, armfake.Options{})
	target := func(line string) said {
		return w.run(append([]string{"--kubeconfig", w.dir + "/kubeconfig", "computetarget"}, strings.Fields(line)...)...)
	}
	made := target("create aks -n fraud -g ml -w space -a 3 -s Standard_D4s_v5 --subscription-id " + armfake.Subscription +
		" --load-balancer-type InternalLoadBalancer --query properties.properties.agentVmSize -o tsv")
	if made.code != 0 || made.out != "Standard_D4s_v5\n" {
		t.Fatalf("create said %+v", made)
	}
	var shown map[string]any
	if err := json.Unmarshal([]byte(target("show -n fraud -g ml -w space -v").out), &shown); err != nil {
		t.Fatal(err)
	}
	properties, _ := shown["properties"].(map[string]any)
	if shown["name"] != "fraud" || shown["location"] != "eastus" || properties["computeType"] != "AKS" ||
		properties["isAttachedCompute"] != false || properties["provisioningState"] != "Succeeded" {
		t.Errorf("show says %v", shown)
	}
	if got := target("show -n fraud --cloud Mars"); got.code != 0 || !strings.Contains(got.err, "AzureChinaCloud") {
		t.Errorf("show in another cloud says %+v", got)
	}
	if got := target("create aks -n other -g ml -l eastus --dry-run -o yaml"); !strings.HasPrefix(got.out, "body:\n") {
		t.Errorf("create says %+v", got)
	}
	if got := target("list -o tsv --query [].name"); got.out != "fraud\n" {
		t.Errorf("list says %+v", got)
	}
	got := target("update aks -n fraud -g ml --load-balancer-type PublicIp --no-wait -o tsv " +
		"--query properties.properties.loadBalancerType")
	if got.code != 0 || got.out != "PublicIp\n" {
		t.Errorf("update says %+v", got)
	}
	if got := target("update aks -n fraud --load-balancer-subnet s"); got.code != 2 {
		t.Errorf("a subnet of a public load balancer: %+v", got)
	}
	if got := target("delete -n fraud -g ml"); got.code != 0 || got.out != "" || azure.Count(armfake.DeleteCluster) != 1 {
		t.Errorf("delete said %+v", got)
	}
}

func TestADeleteThatIsOverIsAskedForAnew(t *testing.T) {
	t.Parallel()
	w, azure := newAzureWorld(t, armfake.Options{})
	w.walk(
		walk{line: "create aks -n fraud -g ml", out: "compute/fraud created\n"},
		walk{line: "delete -n fraud --yes --no-wait", out: "compute/fraud deleting\n"},
	)
	azure.Put("ml", "fraud", nil) // somebody makes one of the same name
	w.walk(walk{line: "delete -n fraud", code: 2, err: "nothing is deleted without an answer"})
	if deletes := azure.Count(armfake.DeleteCluster); deletes != 1 {
		t.Errorf("%d clusters were deleted", deletes)
	}
}

func TestACreateWhoseClusterDoesNotAnswerSaysHowToGoOn(t *testing.T) {
	t.Parallel()
	w, _ := newAzureWorld(t, armfake.Options{})
	w.cluster.Clientset.PrependReactor("get", "namespaces", func(k8stesting.Action) (bool, k8sruntime.Object, error) {
		return true, nil, &url.Error{Op: "Get", URL: "https://fraud.hcp.eastus.azmk8s.io/api",
			Err: &net.OpError{Op: "dial", Err: errors.New("i/o timeout")}}
	})
	w.walk(walk{line: "create aks -n fraud -g ml", code: 1, err: "error: the cluster is there and not attached yet: " +
		"no cluster answers at https://fraud.hcp.eastus.azmk8s.io (i/o timeout)"})
	w.walk(walk{line: "create aks -n fraud -g ml", code: 1, err: "; then run kubectl aml compute wait -n fraud\n"})
}

func TestWhatWasBegunSaysWhereItIs(t *testing.T) {
	t.Parallel()
	w, azure := newAzureWorld(t, armfake.Options{})
	w.env["AZURE_SUBSCRIPTION_ID"], w.env["AZURE_CONFIG_DIR"] = "", t.TempDir()
	const create = "create aks -n fraud --no-wait --subscription " + armfake.Subscription + " -g "
	w.walk(
		walk{line: "wait -n fraud", code: 7, err: `no compute "fraud"`},
		walk{line: create + "ml", out: "compute/fraud creating\n"},
		walk{line: "wait -n fraud", out: "compute/fraud created\n"},
		walk{line: "delete -n fraud --yes", out: "compute/fraud deleted\n"},
		walk{line: create + "ml", out: "compute/fraud creating\n"},
		walk{line: create + "other", out: "compute/fraud creating\n"},
		walk{line: "delete -n fraud --yes", code: 2, err: "several clusters were begun for compute fraud: write -i with one of"},
		walk{line: "delete -n fraud --yes -i /subscriptions/" + armfake.Subscription +
			"/resourceGroups/other/providers/Microsoft.ContainerService/managedClusters/fraud", out: "compute/fraud deleted\n"},
		walk{line: "delete -n fraud --yes", out: "compute/fraud deleted\n"},
	)
	if deletes := azure.Count(armfake.DeleteCluster); deletes != 3 {
		t.Errorf("%d DELETEs, want 3", deletes)
	}
}

func TestWaitWithoutTheStatesStillWarns(t *testing.T) {
	t.Parallel()
	w, _ := newAzureWorld(t, armfake.Options{})
	w.walk(walk{line: "create aks -n fraud -g ml --attach-acr none --no-wait", out: "compute/fraud creating\n"})
	got := w.compute("wait -n fraud --show-output=false")
	if got.out != "compute/fraud created\n" || !strings.Contains(got.err, "warning: the nodes cannot pull from none") ||
		strings.Contains(got.err, "so far") {
		t.Errorf("wait said %+v", got)
	}
}

func TestCredentialsInAFileAreNobodyElses(t *testing.T) {
	t.Parallel()
	w, azure := newAzureWorld(t, armfake.Options{})
	azure.Put("ml", "prod", nil)
	path := filepath.Join(t.TempDir(), "prod.yaml")
	if err := os.WriteFile(path, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	line := "get-credentials -n prod -g ml -f " + path
	w.walk(walk{line: line, code: 3, err: "is there already"}, walk{line: line + " --overwrite-existing"})
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "clusterUser_ml_fraud") {
		t.Errorf("the file is %s, %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the file has %v, %v", info, err)
	}
}

func TestAllThatIsWrongIsOneLine(t *testing.T) {
	t.Parallel()
	w, azure := newAzureWorld(t, armfake.Options{})
	for line, parts := range map[string][]string{
		"create aks -n fraud -g ml --agent-count 0 --gpu-node-count 0":             {"--agent-count 0", "--gpu-node-count 0"},
		"create aks -n fraud -g ml --cluster-purpose x --load-balancer-type y":     {`"x"`, `"y"`},
		"attach aks -n fraud -g ml --cluster-purpose x --load-balancer-type y":     {`"x"`, `"y"`},
		"create aks -n fraud -g ml --attach-acr /subscriptions/s/resourceGroups/g": {"--attach-acr", "registries"},
	} {
		got := w.compute(line)
		if got.code != 2 || strings.Count(got.err, "\n") != strings.Count(got.err, "warning:")+1 {
			t.Errorf("compute %s ended with %d and said\n%s", line, got.code, got.err)
		}
		for _, want := range parts {
			if !strings.Contains(got.err, want) {
				t.Errorf("compute %s says nothing of %s:\n%s", line, want, got.err)
			}
		}
	}
	if puts := azure.Count(armfake.PutCluster); puts != 0 {
		t.Errorf("%d PUTs", puts)
	}
}

func TestAttachingAVersionWithoutSupportWarns(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		version, plan string
		warns         bool
	}{
		"supported":       {"1.36.2", "KubernetesOfficial", false},
		"too old":         {"1.29.4", "KubernetesOfficial", true},
		"not by its plan": {"1.36.2", "Another", true},
		"one like it":     {"1.3.6", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, azure := newAzureWorld(t, armfake.Options{})
			azure.Put("ml", "prod", nil)
			azure.Fault(armfake.Fault{Match: armfake.GetCluster, Status: http.StatusOK, Body: `{"location":"eastus",` +
				`"properties":{"currentKubernetesVersion":"` + c.version + `","supportPlan":"` + c.plan + `"}}`})
			got := w.compute("attach aks -n fraud -g ml --cluster-name prod")
			if got.code != 0 || strings.Contains(got.err, "AKS supports Kubernetes "+c.version+" of the cluster no more") != c.warns {
				t.Errorf("attach says %+v", got)
			}
		})
	}
}

func TestWaitGoesOnAsTheCreateWouldHave(t *testing.T) {
	t.Parallel()
	w, _ := newAzureWorld(t, armfake.Options{})
	small := newComputeWorld(t, 1, 2)
	w.cluster = small.cluster
	w.walk(
		walk{line: "create aks -n fraud -g ml --vm-size auto --set-context --no-wait", out: "compute/fraud creating\n"},
		walk{line: "wait -n fraud", code: 4, err: "--skip-capacity-check"},
		walk{line: "wait -n fraud --skip-capacity-check", out: "compute/fraud created\n"},
	)
	if !strings.Contains(w.kubeconfig(), "current-context: fraud\n") {
		t.Errorf("the kubeconfig is\n%s", w.kubeconfig())
	}
}

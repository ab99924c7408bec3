// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

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
		walk{line: "attach aks -n fraud -g ml --subscription a/b", code: 2, err: "is no id of a subscription"},
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

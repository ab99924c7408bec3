// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"

	"github.com/kubectl-aml/kubectl-aml/internal/armfake"
)

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

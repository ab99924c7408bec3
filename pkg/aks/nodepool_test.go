// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	acs "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
	"k8s.io/utils/ptr"
)

func TestPools(t *testing.T) {
	t.Parallel()
	low, high := ptr.To(1), ptr.To(3)
	sizes := map[string]SKU{
		DefaultVMSize: {Name: DefaultVMSize, CPUs: 4}, "Standard_NC4as_T4_v3": {Name: "Standard_NC4as_T4_v3", CPUs: 4, GPUs: 1},
	}
	for name, c := range map[string]struct {
		pool    PoolOptions
		want    string // the properties as JSON
		refused []string
	}{
		"as it is by default": {
			pool: PoolOptions{Name: "nodes", Count: 1},
			want: `{"count":1,"mode":"User","osType":"Linux","type":"VirtualMachineScaleSets","vmSize":"` + DefaultVMSize + `"}`,
		},
		"with GPUs": {
			pool: PoolOptions{Name: "gpu", VMSize: "Standard_NC4as_T4_v3", GPU: true, Count: 2},
			want: `{"count":2,"mode":"User","nodeTaints":["` + GPUTaint + `"],` +
				`"osType":"Linux","type":"VirtualMachineScaleSets","vmSize":"Standard_NC4as_T4_v3"}`,
		},
		"of Spot nodes with bounds, taints and labels": {
			pool: PoolOptions{
				Name: "spot", Count: 1, Spot: true, Autoscaler: Autoscaler{Enabled: true, Min: low, Max: high},
				Taints: []string{"a=b:NoSchedule"}, Labels: map[string]string{"team": "risk", "x.y/z": ""},
			},
			want: `{"count":1,"enableAutoScaling":true,"maxCount":3,"minCount":1,"mode":"User",` +
				`"nodeLabels":{"team":"risk","x.y/z":""},"nodeTaints":["a=b:NoSchedule"],"osType":"Linux",` +
				`"scaleSetEvictionPolicy":"Delete","scaleSetPriority":"Spot","type":"VirtualMachineScaleSets",` +
				`"vmSize":"` + DefaultVMSize + `"}`,
		},
		"without nodes yet": {
			pool: PoolOptions{Name: "later"},
			want: `{"count":0,"mode":"User","osType":"Linux","type":"VirtualMachineScaleSets","vmSize":"` + DefaultVMSize + `"}`,
		},
		"without nodes for the cluster itself": {
			pool: PoolOptions{Name: "nodes", Mode: "System"}, refused: []string{"--node-count 0: write 1 to 1000"},
		},
		"outside of its bounds": {
			pool:    PoolOptions{Name: "nodes", Count: 4, Autoscaler: Autoscaler{Enabled: true, Min: low, Max: high}},
			refused: []string{"--node-count 4 is not between --min-count 1 and --max-count 3"},
		},
		"all that is wrong at once": {
			pool: PoolOptions{
				Name: "Nodes-1", Mode: "System", Spot: true, Driver: "none", Taints: []string{"a"},
				Labels: map[string]string{"a b": "c"},
			},
			refused: []string{
				`node pool name "Nodes-1": write up to 12 small letters and digits, a letter first`,
				`--node-taints "a": write KEY=VALUE:NoSchedule, PreferNoSchedule or NoExecute`,
				"--labels a b=c is no label of Kubernetes",
				"--gpu-driver and --gpu-instance-profile are of a pool with GPUs: write --gpu too",
				"--priority Spot: nodes that can be taken away cannot run the cluster itself: write --mode User",
			},
		},
		"GPUs of a size without": {
			pool: PoolOptions{Name: "gpu", GPU: true}, refused: []string{"has no GPU"},
		},
		"more nodes than there may be": {
			pool: PoolOptions{Name: "nodes", Count: MaxNodes + 1}, refused: []string{"--node-count"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _, err := c.pool.Build(Facts{SKUs: sizes})
			if len(c.refused) > 0 {
				for _, want := range c.refused {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("not refused: %s\n%v", want, err)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(got.Properties)
			if err != nil {
				t.Fatal(err)
			}
			var is, want any
			if json.Unmarshal(text, &is) != nil || json.Unmarshal([]byte(c.want), &want) != nil || !reflect.DeepEqual(is, want) {
				t.Errorf("got  %s\nwant %s", text, c.want)
			}
		})
	}
}

const poolPath = " /subscriptions/" + subscription +
	"/resourcegroups/ml/providers/microsoft.containerservice/managedclusters/prod/agentpools/gpu"

func TestPoolsThroughFaults(t *testing.T) {
	t.Parallel()
	const (
		none  = `{"code":"NotFound","message":"There is no pool."}`
		there = `{"name":"gpu","properties":{"count":1,"eTag":"e1"}}`
		at    = "node pool gpu: cluster prod in resource group ml: "
	)
	pool := acs.AgentPool{Properties: &acs.ManagedClusterAgentPoolProfileProperties{Count: ptr.To[int32](1)}}
	begun := func(a *armServer) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Azure-AsyncOperation", a.operation())
			say(w, 201, `{"properties":{"provisioningState":"Creating"}}`)
		}
	}
	add := func(wait bool) func(context.Context, *Client) error {
		return func(ctx context.Context, c *Client) error { return c.PutPool(ctx, target(), "gpu", pool, true, wait) }
	}
	remove := func(ctx context.Context, c *Client) error { return c.DeletePool(ctx, target(), "gpu", true) }
	for name, c := range map[string]struct {
		fault   func(*armServer)
		run     func(context.Context, *Client) error
		reason  Reason
		message string
		polls   int
		header  string // of the PUT
	}{
		"added": {
			fault: func(a *armServer) {
				a.answer("GET"+poolPath, says(404, none), says(200, there))
				a.answer("PUT"+poolPath, begun(a))
			}, run: add(true), polls: 2, header: "If-None-Match: *",
		},
		"added without a wait": {
			fault: func(a *armServer) {
				a.answer("GET"+poolPath, says(404, none))
				a.answer("PUT"+poolPath, begun(a))
			}, run: add(false), header: "If-None-Match: *",
		},
		"added, and the answer is dropped": {
			fault: func(a *armServer) {
				a.answer("GET"+poolPath, says(404, none), says(200, there))
				a.answer("PUT"+poolPath, drops, says(412, `{"code":"PreconditionFailed","message":"It exists."}`))
			}, run: add(true), header: "If-None-Match: *",
		},
		"the request is dropped": {
			fault: func(a *armServer) {
				a.answer("GET"+poolPath, says(404, none), says(404, none))
				a.answer("PUT"+poolPath, drops)
			}, run: add(true), header: "If-None-Match: *", reason: UnderWay,
			message: at + "Azure cannot be reached (EOF): run the command again",
		},
		"there already": {
			fault: func(a *armServer) { a.answer("GET"+poolPath, says(200, there)) }, run: add(true), reason: Conflict,
			message: "node pool gpu of cluster prod in resource group ml is there already: take another name",
		},
		"changed from what was read": {
			fault: func(a *armServer) {
				a.answer("GET"+poolPath, says(200, there), says(200, there))
				a.answer("PUT"+poolPath, begun(a))
			}, polls: 2, header: "If-Match: e1",
			run: func(ctx context.Context, c *Client) error {
				now, err := c.GetPool(ctx, target(), "gpu")
				if err != nil {
					return err
				}
				return c.PutPool(ctx, target(), "gpu", now, false, true)
			},
		},
		"no quota": {
			fault: func(a *armServer) {
				a.answer("GET"+poolPath, says(404, none))
				a.answer("PUT"+poolPath, says(400, vcpus))
			}, run: add(true), reason: Quota, header: "If-None-Match: *",
			message: at + "Insufficient vcpu quota requested 12, remaining 4 for family standardDSv5Family " +
				"for region westeurope (ErrCode_InsufficientVCPUQuota)",
		},
		"failed: the cluster is not to be deleted for it": {
			fault: func(a *armServer) {
				a.answer("GET"+poolPath, says(404, none))
				a.answer("PUT"+poolPath, begun(a))
				a.answer("GET operation",
					says(200, `{"status":"Failed","error":{"code":"AllocationFailed","message":"No capacity."}}`))
			}, run: add(true), reason: Quota, polls: 1, header: "If-None-Match: *",
			message: at + "the last operation on it failed: No capacity (AllocationFailed): " +
				"see it with kubectl aml compute show -n prod",
		},
		"deleted, and not there": {
			fault: func(a *armServer) { a.answer("DELETE"+poolPath, says(404, none)) }, run: remove,
		},
		"another operation": {
			fault: func(a *armServer) { a.answer("DELETE"+poolPath, says(409, notAllowed)) }, run: remove, reason: Conflict,
			message: at + "Operation is not allowed: another operation (Updating) is in progress (OperationNotAllowed)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, m := newARM(t), newMachine(t)
			a.ours(StateSucceeded)
			c.fault(a)
			err := c.run(t.Context(), m.client(t, a))
			if c.reason == "" && err != nil || c.reason != "" && (ReasonOf(err) != c.reason || err.Error() != c.message) {
				t.Errorf("got %s\n%v\nwant %s\n%s", ReasonOf(err), err, c.reason, c.message)
			}
			if n := a.count("GET operation"); n != c.polls {
				t.Errorf("%d polls, want %d", n, c.polls)
			}
			key, want, _ := strings.Cut(c.header, ": ")
			if got := a.headers["PUT"+poolPath].Get(key); got != want {
				t.Errorf("%s is %q", key, got)
			}
		})
	}
}

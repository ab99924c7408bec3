// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-aml/kubectl-aml/internal/armfake"
)

// What may go wrong with a compute of AKS, and where it is shown:
//
//	 1 nothing                                     TestComputeLife
//	 2 throttled for a moment                      TestAzureThrottles
//	 3 throttled for long                          TestAzureThrottles
//	 4 throttled while waiting                     TestAzureWaitsThrough
//	 5 somebody else is at work                    TestAzureRefuses
//	 6 no right to create, to get in, or inside    TestAzureRefuses, TestAzureNoWayInKeepsTheCluster
//	 7 no quota                                    TestAzureRefuses
//	 8 Azure fails to make it                      TestAzureFailsToMakeIt
//	 9 the connection drops while waiting          TestAzureWaitsThrough, TestAzureIsLostFromSight
//	10 the process is killed                       TestAzureGoesOnAfterAKill
//	11 the answer gets lost                        TestAzureAnswerGetsLost
//	12 the file of the operation was changed       TestAzureChangedFileIsRefused
//	13 the token is not taken, or there is none    TestAzureNotSignedIn
//	14 a subscription new to AKS                   TestAzureSubscriptionIsRegistered
//	15 no answer                                   TestAzureIsSlow
//	16 a delete of what is gone, or busy           TestAzureDelete
//	17 twenty attach at once                       TestComputeIsAttachedByOneOfTwenty
//	18 somebody else attached it anew              TestComputeStaleDetachIsRefused,
//	                                               TestComputeDeployNoticesWhoAttachedSince
//	19 a small cluster, and Azure ML's leavings    TestComputeForProductionNeedsCapacity,
//	                                               TestComputeAttachTellsOfAzureMLsFrontEnd
//	20 other contexts, and a read-only file        TestComputeContextIsOneMore, and pkg/compute
//	21 each flag of create, taken and refused      pkg/aks
//	22 the requests of Azure's own examples        pkg/aks

// throttled is an answer of AKS that asks to wait.
func throttled(match, after string, times int) armfake.Fault {
	return armfake.Fault{Match: match, Times: times, Status: http.StatusTooManyRequests,
		Headers: map[string]string{"Retry-After": after},
		Body:    `{"code":"Throttled","details":null,"message":"The PutManagedCluster requests have exceeded the limit.","subcode":""}`}
}

func TestAzureThrottles(t *testing.T) {
	t.Parallel()
	z := newAzure(t, armfake.Options{})
	z.arm.Fault(throttled(armfake.PutCluster, "117", 1))
	start := time.Now()
	z.fails(6, []string{"117 s"}, z.create("--timeout", "10s")...)
	if took := time.Since(start); took > 9*time.Second {
		t.Errorf("waited %s for an answer that came at once", took)
	}
	z.arm.Fault(throttled(armfake.PutCluster, "3600", 1)) // nobody waits for that
	z.fails(6, []string{"3600 s"}, z.create()...)
	if state := z.arm.State("ml", "prod"); state != "" || z.operation() != "" {
		t.Errorf("the cluster is %q, under way %q", state, z.operation())
	}
	z.arm.Fault(throttled(armfake.PutCluster, "117", 1))
	u := z.start(armfake.PutCluster, 3, z.create()...)
	time.Sleep(time.Second)
	if code := u.signal(os.Interrupt); code != 6 || !strings.Contains(u.err.String(), "throttled by Azure, waiting 117 s") {
		t.Errorf("stopped with %d: %s", code, &u.err)
	}
	z.arm.Fault(throttled(armfake.PutCluster, "1", 2))
	r := z.ok(z.create("--no-wait")...)
	if r.took < 2*time.Second || strings.Count(r.err, "throttled by Azure, waiting 1 s") != 2 {
		t.Errorf("took %s and told %s", r.took, r.err)
	}
	if state := z.arm.State("ml", "prod"); state != "Creating" {
		t.Errorf("the cluster is %q", state)
	}
}

// Waiting goes on through all that passes.
func TestAzureWaitsThrough(t *testing.T) {
	attachable(t)
	z := newAzure(t, armfake.Options{Polls: 4})
	usual := armfake.Fault{Match: armfake.Poll} // an answer as always
	z.arm.Fault(
		throttled(armfake.Poll, "1", 1),
		usual, armfake.Fault{Match: armfake.Poll, DropBefore: true},
		usual, armfake.Fault{Match: armfake.Poll, Status: http.StatusServiceUnavailable, Body: "<html>not now</html>"},
		usual, armfake.Fault{Match: armfake.Poll, DropAfter: true},
	)
	r := z.ok(z.create()...)
	if r.out != "compute/prod created\n" || !strings.Contains(r.err, "throttled by Azure, waiting 1 s") {
		t.Errorf("answered %q and told %s", r.out, r.err)
	}
	z.once()
	z.attached()
}

// What Azure refuses is told in a line, with what to do, and is asked for once.
func TestAzureRefuses(t *testing.T) {
	t.Parallel()
	z := newAzure(t, armfake.Options{})
	for name, refused := range map[string]struct {
		status int
		body   string
		code   int
		says   []string
	}{
		"another operation": {409, `{"code":"OperationNotAllowed","details":null,"message":"Operation is not allowed because ` +
			`there's an in progress update managed cluster operation.\nSee https://aka.ms/aks-pending-operation","subcode":""}`,
			3, []string{"in progress update managed cluster operation. See https://aka.ms/aks-pending-operation"}},
		"an older state": {409, `{"code":"EtagMismatch","details":null,"message":"Etag mismatch.","subcode":""}`,
			3, []string{"Etag mismatch"}},
		"no right": {403, `{"error":{"code":"AuthorizationFailed","message":"The client 'ada' with object id 'o' does not have ` +
			`authorization to perform action 'Microsoft.ContainerService/managedClusters/write' over scope ` +
			`'/subscriptions/s/resourceGroups/ml' or the scope is invalid."}}`,
			5, []string{"'Microsoft.ContainerService/managedClusters/write'", "Contributor on the resource group"}},
		"a policy": {403, `{"error":{"code":"RequestDisallowedByPolicy","target":"prod","message":"Resource 'prod' was disallowed by policy."}}`,
			5, []string{"disallowed by policy"}},
		"no vCPUs left": {400, `{"code":"ErrCode_InsufficientVCPUQuota","details":null,"message":"Insufficient vcpu quota ` +
			`requested 12, remaining 2 for family standardDSv5Family for region eastus.","subcode":""}`,
			4, []string{"requested 12, remaining 2 for family standardDSv5Family"}},
		"too many clusters": {400, `{"code":"ManagedClusterCountExceedsQuotaLimit","details":null,"message":"The number of managed ` +
			`clusters 5000 exceeds the limit 5000.","subcode":""}`, 4, []string{"5000 exceeds the limit 5000"}},
		"a wrong value": {400, `{"error":{"code":"InvalidParameter","message":"The value of parameter dnsPrefix is invalid.","target":"dnsPrefix"}}`,
			2, []string{"dnsPrefix is invalid"}},
	} {
		asked := z.arm.Count(armfake.PutCluster)
		z.arm.Fault(armfake.Fault{Match: armfake.PutCluster, Status: refused.status, Body: refused.body})
		r := z.run(z.create()...)
		last := r.err[strings.LastIndex(strings.TrimRight(r.err, "\n"), "\n")+1:]
		if r.code != refused.code {
			t.Errorf("%s: ended with %d, want %d: %s", name, r.code, refused.code, r.err)
		}
		for _, text := range refused.says {
			if !strings.Contains(last, text) {
				t.Errorf("%s: does not say %q in its last line: %s", name, text, r.err)
			}
		}
		if n := z.arm.Count(armfake.PutCluster) - asked; n != 1 {
			t.Errorf("%s: asked %d times", name, n)
		}
		if file := z.operation(); file != "" || z.arm.State("ml", "prod") != "" {
			t.Errorf("%s: %q is under way", name, file)
		}
	}
}

// A cluster that is there, and cannot be got into yet, is not lost: the same
// command goes on when the right is there.
func TestAzureNoWayInKeepsTheCluster(t *testing.T) {
	attachable(t)
	z := newAzure(t, armfake.Options{})
	const action = "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action"
	z.arm.Fault(armfake.Fault{Match: armfake.UserKubeconfig, Status: http.StatusForbidden,
		Body: `{"error":{"code":"AuthorizationFailed","message":"The client 'ada' does not have authorization to perform action '` +
			action + `' over scope '/x'."}}`})
	z.fails(5, []string{action, "Azure Kubernetes Service Cluster User Role", "compute wait -n prod"}, z.create()...)
	if z.operation() == "" || z.arm.State("ml", "prod") != "Succeeded" {
		t.Fatalf("the cluster is %q, under way %q", z.arm.State("ml", "prod"), z.operation())
	}
	z.unattached()

	z.withoutSystemNamespace() // as in a new cluster
	owner := z.handOutUser()
	z.fails(5, []string{"create the namespace aml-system", "compute wait -n prod"}, z.create()...)
	z.unattached()
	z.arm.HandOut(owner)
	if out := z.ok(z.create()...).out; out != "compute/prod created\n" {
		t.Errorf("answered %q", out)
	}
	z.once()
	z.attached()
}

// Azure's answer to how a create went is 200 whatever it was.
func TestAzureFailsToMakeIt(t *testing.T) {
	t.Parallel()
	inner := func(code, message string, details ...any) any {
		return map[string]any{"code": code, "message": message, "details": details}
	}
	for name, failed := range map[string]struct {
		code  int
		says  string
		error any
	}{
		"no capacity": {4, "AllocationFailed", inner("VMExtensionProvisioningError", "outer",
			inner("AllocationFailed", "AllocationFailed. We do not have sufficient capacity for the requested VM size in this region."))},
		"no way out": {1, "Agents are unable to resolve Kubernetes API server name",
			inner("VMExtensionProvisioningError", "Agents are unable to resolve Kubernetes API server name.")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			z := newAzure(t, armfake.Options{})
			z.arm.Fail("ReconcileVMSSAgentPoolFailed", "We are unable to serve this request.", failed.error)
			z.fails(failed.code, []string{failed.says, "compute delete -n prod"}, z.create()...)
			z.once()
			if state := z.arm.State("ml", "prod"); state != "Failed" {
				t.Errorf("the cluster is %q", state)
			}
			z.fails(failed.code, []string{failed.says, "compute delete -n prod"}, "compute", "wait", "-n", "prod")
			z.ok("compute", "delete", "prod", "--yes")
			if state := z.arm.State("ml", "prod"); state != "" || z.operation() != "" {
				t.Errorf("the cluster is %q, under way %q", state, z.operation())
			}
		})
	}
}

func TestAzureSubscriptionIsRegistered(t *testing.T) {
	t.Parallel()
	z := newAzure(t, armfake.Options{Unregistered: true})
	r := z.ok(z.create("--no-wait")...)
	if z.arm.Count(armfake.Register) != 1 || !strings.Contains(r.err, "registered it") {
		t.Errorf("registered %d times and told %s", z.arm.Count(armfake.Register), r.err)
	}
	if state := z.arm.State("ml", "prod"); state != "Creating" {
		t.Errorf("the cluster is %q", state)
	}
}

func TestAzureNotSignedIn(t *testing.T) {
	t.Parallel()
	for name, who := range map[string]struct {
		fault armfake.Fault
		env   string
		says  []string
	}{
		"the token is old": {armfake.Fault{Match: "managedClusters", Times: -1, Status: http.StatusUnauthorized,
			Headers: map[string]string{"WWW-Authenticate": `Bearer authorization_uri="https://127.0.0.1/", error="invalid_token"`},
			Body:    `{"error":{"code":"ExpiredAuthenticationToken","message":"The access token expiry UTC time is earlier than now."}}`},
			"", []string{"access token expiry", "ManagedIdentityCredential", "az login"}},
		"no such identity": {armfake.Fault{}, "IDENTITY_HEADER=somebody", []string{"ManagedIdentityCredential", "az login"}},
		"no login":         {armfake.Fault{}, "AZURE_TOKEN_CREDENTIALS=AzureCLICredential", []string{"AzureCLICredential", "az login"}},
		"no variables":     {armfake.Fault{}, "AZURE_TOKEN_CREDENTIALS=EnvironmentCredential", []string{"EnvironmentCredential", "AZURE_TOKEN_CREDENTIALS"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			z := newAzure(t, armfake.Options{})
			z.env = append(z.env, who.env)
			if who.fault.Match != "" {
				z.arm.Fault(who.fault)
			}
			z.fails(5, who.says, z.create()...)
			if n := z.arm.Count(armfake.PutCluster); n > 0 || z.operation() != "" {
				t.Errorf("asked %d times, under way %q", n, z.operation())
			}
		})
	}
}

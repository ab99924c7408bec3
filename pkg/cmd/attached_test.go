// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	k8stesting "k8s.io/client-go/testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// attach puts the record of a compute into the cluster, and makes the context in
// use that of the compute.
func (w *world) attach(a compute.Attachment) {
	w.t.Helper()
	r := w.record(a)
	w.target = &compute.Context{Name: "here", Marker: &compute.Marker{
		Name: a.Name, Provider: compute.Kubernetes, AttachmentUID: r.UID,
	}}
}

func (w *world) record(a compute.Attachment) compute.Record {
	w.t.Helper()
	a.Provider, a.Namespace = compute.Kubernetes, cmp.Or(a.Namespace, "models")
	a.AttachedBy, a.AttachedFrom = "bob", "bob@lap"
	a.AttachedAt = time.Date(2026, 11, 25, 7, 30, 0, 0, time.UTC)
	system := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: metav1.NamespaceSystem, UID: "uid-of-cluster"}}
	_, err := w.cluster.Clientset.CoreV1().Namespaces().Create(w.t.Context(), system, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		w.t.Fatal(err)
	}
	r, _, err := compute.Attach(w.t.Context(), w.cluster.Clientset, a)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// detach takes the record away.
func (w *world) detach() {
	w.t.Helper()
	err := w.cluster.Clientset.CoreV1().ConfigMaps(compute.SystemNamespace).
		Delete(w.t.Context(), compute.RecordName, metav1.DeleteOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
}

// changing are commands that change the endpoint diabetes, one of each.
func changing() map[string][]string {
	return map[string][]string{
		"deploy":        {"deploy", "diabetes", "--version-name", "blue", "--entry-script", "score.py", "-m", "model.txt"},
		"a dry run":     {"scale", "diabetes", "--version-name", "blue", "--replicas", "3", "--dry-run", "client"},
		"model deploy":  {"model", "deploy", "-n", "diabetes", "-m", "model.txt", "-es", "score.py", "--overwrite", "--cp", "AKS"},
		"update":        {"update", "diabetes", "--version-name", "blue", "--memory-gb", "2"},
		"traffic set":   {"traffic", "set", "diabetes", "green=50"},
		"mirror":        {"traffic", "mirror", "diabetes", "green=50"},
		"promote":       {"promote", "diabetes", "green"},
		"scale":         {"scale", "diabetes", "--version-name", "blue", "--replicas", "3"},
		"restart":       {"restart", "diabetes"},
		"undo":          {"undo", "diabetes"},
		"edit":          {"edit", "diabetes"},
		"update v1":     {"service", "update", "-n", "diabetes", "--add-tag", "a=b"},
		"of v1":         {"endpoint", "realtime", "update", "-n", "diabetes", "--add-tag", "a=b"},
		"a version, v1": {"endpoint", "realtime", "update-version", "-n", "diabetes", "--vn", "blue", "--tp", "10"},
		"a new one, v1": {"endpoint", "realtime", "create-version", "-n", "diabetes", "--vn", "red", "-m", "model.txt",
			"-es", "score.py"},
	}
}

func TestNoChangeIsMadeOnAComputeThatIsNotWhatItWas(t *testing.T) {
	t.Parallel()
	const detached = "error: compute lab was detached from this cluster, nothing is changed: attach it again with " +
		"kubectl aml compute attach kubernetes -n lab --context here, or use another context\n"
	const taken = "error: bob (bob@lap, 2026-11-25 07:30 UTC) re-attached this cluster as compute fab after context here " +
		"was made for compute lab, nothing is changed: take theirs up with kubectl aml compute attach kubernetes -n fab " +
		"--context here, or use another context\n"
	for name, args := range changing() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.mustDeploy("blue")
			w.mustDeploy("green")
			before := w.fine(w.run("history", "diabetes")).out
			w.attach(compute.Attachment{Name: "lab", Purpose: endpoint.DevTest})
			w.target.Marker.AttachmentUID = "of-lab"
			w.detach()
			if r := w.run(args...); r.code != 1 || !strings.HasSuffix(r.err, detached) || r.out != "" {
				t.Errorf("when it was detached: exit code %d\n%s%s", r.code, r.out, r.err)
			}
			w.record(compute.Attachment{Name: "fab", Purpose: endpoint.DevTest})
			if r := w.run(args...); r.code != 1 || !strings.HasSuffix(r.err, taken) || r.out != "" {
				t.Errorf("when another is attached: exit code %d\n%s%s", r.code, r.out, r.err)
			}
			if after := w.fine(w.run("history", "diabetes")).out; after != before {
				t.Errorf("something was changed:\n%s", after)
			}
		})
	}
}

func TestWhoeverChangedTheAttachmentIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("blue")
	w.attach(compute.Attachment{Name: "lab", Purpose: endpoint.DevTest})
	w.target.Marker.AttachmentUID = "of-before"
	const want = "bob (bob@lap, 2026-11-25 07:30 UTC) changed the attachment of compute lab after context here was made"
	if r := w.run("restart", "diabetes"); r.code != 1 || !strings.Contains(r.err, want) {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
}

func TestLookingAndDeletingGoOnWithoutTheRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("blue")
	w.mustDeploy("green")
	w.attach(compute.Attachment{Name: "lab", Purpose: endpoint.DevTest})
	w.detach()
	for _, args := range [][]string{
		{"get", "endpoints"}, {"history", "diabetes"}, {"render", "diabetes"}, {"keys", "get", "diabetes"},
		{"delete", "version", "diabetes", "green", "--wait=false"}, {"delete", "endpoint", "diabetes"},
	} {
		if r := w.run(args...); r.code != 0 {
			t.Errorf("kubectl aml %s: exit code %d: %s", strings.Join(args, " "), r.code, r.err)
		}
	}
}

func TestWhoMayNotReadTheRecordIsWarnedAndGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("blue")
	w.attach(compute.Attachment{Name: "lab", Purpose: endpoint.DevTest})
	w.cluster.Clientset.PrependReactor("get", "configmaps", func(a k8stesting.Action) (bool, runtime.Object, error) {
		return a.GetNamespace() == compute.SystemNamespace, nil,
			apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, compute.RecordName, nil)
	})
	r := w.fine(w.run("scale", "diabetes", "--replicas", "3", "--wait=false"))
	const want = "warning: nobody can tell whether compute lab is still attached: there is no right to get configmap " +
		"aml-attachment in namespace aml-system\n"
	if r.err != want {
		t.Errorf("said %q", r.err)
	}
}

func TestTheRecordIsReadOnceAndOnlyOnACompute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asked := 0
	w.cluster.Clientset.PrependReactor("*", "*", func(a k8stesting.Action) (bool, runtime.Object, error) {
		if a.GetNamespace() == compute.SystemNamespace {
			asked++
		}
		return false, nil, nil
	})
	w.mustDeploy("blue")
	if asked != 0 {
		t.Errorf("without a compute, %d requests are for it", asked)
	}
	w.attach(compute.Attachment{Name: "lab", Purpose: endpoint.DevTest})
	asked = 0
	w.mustDeploy("green")
	if asked != 1 {
		t.Errorf("on a compute, %d requests are for it", asked)
	}
}

func TestANewEndpointIsWhatItsComputeSays(t *testing.T) {
	t.Parallel()
	internal := compute.Attachment{Name: "lab", Purpose: endpoint.FastProd,
		LoadBalancer: compute.LoadBalancer{Type: compute.Internal, Subnet: "aks-subnet"}}
	public := compute.Attachment{Name: "lab", Purpose: endpoint.DevTest, TLS: compute.TLS{DNSLabel: "lab"}}
	const byAzure = "map[service.beta.kubernetes.io/azure-"
	for name, c := range map[string]struct {
		of                   compute.Attachment
		args                 []string
		purpose, annotations string
	}{
		"its purpose":              {internal, nil, "FastProd", "map[]"},
		"a flag goes before it":    {internal, []string{"--purpose", "DevTest"}, "DevTest", "map[]"},
		"its internal addresses":   {internal, []string{"--service-type", "LoadBalancer"}, "FastProd", byAzure + "load-balancer-internal:true service.beta.kubernetes.io/azure-load-balancer-internal-subnet:aks-subnet]"},
		"its name for one address": {public, []string{"--service-type", "LoadBalancer"}, "DevTest", byAzure + "dns-label-name:lab]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.attach(c.of)
			w.mustDeploy("blue", c.args...)
			if got := w.value("purpose"); got != c.purpose {
				t.Errorf("purpose %s, want %s", got, c.purpose)
			}
			if got := w.value("router.service.annotations"); got != c.annotations {
				t.Errorf("annotations %s, want %s", got, c.annotations)
			}
		})
	}
}

func TestAServiceOfV1GetsTheAddressesOfItsCompute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.attach(compute.Attachment{Name: "lab", Purpose: endpoint.DevTest,
		LoadBalancer: compute.LoadBalancer{Type: compute.Internal}})
	w.fine(w.modelDeploy("--cp", "AKS"))
	if got := w.value("router.service.annotations"); got != "map["+compute.InternalAnnotation+":true]" {
		t.Errorf("annotations %s", got)
	}
}

func TestAnEndpointKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("blue", "--service-type", "LoadBalancer")
	w.attach(compute.Attachment{Name: "lab", Purpose: endpoint.FastProd,
		LoadBalancer: compute.LoadBalancer{Type: compute.Internal}})
	r := w.fine(w.deploy("green"))
	const note = "note: the load balancer of endpoint diabetes is not as compute lab says and stays as it is: " +
		"kubectl aml edit diabetes changes router.service.annotations\n"
	if !strings.Contains(r.err, note) {
		t.Errorf("said %s", r.err)
	}
	if w.value("purpose") != "DevTest" || w.value("router.service.annotations") != "map[]" {
		t.Errorf("purpose %s, annotations %s", w.value("purpose"), w.value("router.service.annotations"))
	}
}

func TestAnEndpointThatBecomesALoadBalancerIsAsInternalAsItsCompute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.attach(compute.Attachment{Name: "lab", Purpose: endpoint.DevTest,
		LoadBalancer: compute.LoadBalancer{Type: compute.Internal}})
	w.mustDeploy("blue")
	if got := w.value("router.service.annotations"); got != "map[]" {
		t.Errorf("inside the cluster it has %s", got)
	}
	w.mustDeploy("blue", "--service-type", "LoadBalancer")
	if got := w.value("router.service.annotations"); got != "map["+compute.InternalAnnotation+":true]" {
		t.Errorf("annotations %s", got)
	}
}

func TestANameInTheDNSIsThatOfOneEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.attach(compute.Attachment{Name: "lab", Purpose: endpoint.DevTest, TLS: compute.TLS{DNSLabel: "lab"}})
	_, err := w.cluster.Clientset.CoreV1().Services("models").Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "first", Annotations: map[string]string{compute.DNSLabelAnnotation: "lab"}},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := w.fine(w.deploy("blue", "--service-type", "LoadBalancer"))
	const warning = "warning: the DNS label \"lab\" of compute lab is that of endpoint first: endpoint diabetes gets none\n"
	if !strings.Contains(r.err, warning) || w.value("router.service.annotations") != "map[]" {
		t.Errorf("annotations %s; said %s", w.value("router.service.annotations"), r.err)
	}
}

func TestADryRunOnAComputeShowsWhatItSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.attach(compute.Attachment{Name: "lab", Purpose: endpoint.FastProd})
	r := w.fine(w.deploy("blue", "--dry-run", "client", "-o", "yaml"))
	if !slices.Contains(strings.Split(r.out, "\n"), "purpose: FastProd") {
		t.Errorf("got %s", r.out)
	}
}

func TestAnEndpointShowsTheCertificateOfItsCompute(t *testing.T) {
	t.Parallel()
	secured := compute.TLS{Secret: compute.TLSSecret, Host: "score.example.com"}
	w := newWorld(t)
	w.mustDeploy("blue")
	w.attach(compute.Attachment{Name: "lab", Purpose: endpoint.DevTest, TLS: secured})
	w.fine(w.run("update", "diabetes", "--memory-gb", "2", "--wait=false"))
	if got := w.value("tls.existingSecret"); got != "" {
		t.Errorf("an update turned TLS on, with %s", got)
	}
	r := w.fine(w.deploy("blue"))
	if got := w.value("tls.existingSecret") + " " + w.value("tls.host"); got != "aml-tls score.example.com" {
		t.Errorf("deployed again, it shows %s", got)
	}
	if want := "note: endpoint diabetes speaks TLS from now on, as compute lab says\n"; !strings.Contains(r.err, want) {
		t.Errorf("said %s", r.err)
	}
	w.detach()
	w.attach(compute.Attachment{Name: "lab", Purpose: endpoint.DevTest})
	r = w.fine(w.deploy("blue"))
	if got := w.value("tls.existingSecret"); got != "" || !strings.Contains(r.err, "speaks plain HTTP from now on") {
		t.Errorf("without a certificate it shows %q; said %s", got, r.err)
	}
}

func TestACertificateIsForTheNamespaceOfTheCompute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.attach(compute.Attachment{Name: "lab", Namespace: "elsewhere", Purpose: endpoint.DevTest,
		TLS: compute.TLS{Secret: compute.TLSSecret, Host: "score.example.com"}})
	r := w.fine(w.deploy("blue"))
	const want = "warning: endpoint diabetes speaks plain HTTP: the certificate of compute lab is for namespace elsewhere\n"
	if got := w.value("tls.existingSecret"); got != "" || !strings.Contains(r.err, want) {
		t.Errorf("it shows %q; said %s", got, r.err)
	}
}

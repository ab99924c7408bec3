// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// worker is a node of 4 vCPUs that replicas can run on.
func worker(name string, change func(*corev1.Node)) corev1.Node {
	return node("4", func(n *corev1.Node) {
		n.Name, n.Labels, n.Status.NodeInfo.Architecture = name, map[string]string{}, "amd64"
		n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("3800m")}
		if change != nil {
			change(n)
		}
	})
}

func scheduled(on, cpu string) corev1.Pod {
	asks := corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}}
	return corev1.Pod{Spec: corev1.PodSpec{NodeName: on, Containers: []corev1.Container{{Resources: asks}}}}
}

// healthy are the facts of a compute for production that lacks nothing.
func healthy(t *testing.T) compute.Facts {
	t.Helper()
	a := lab()
	a.Purpose, a.AttachedBy = endpoint.FastProd, "ada"
	a.TLS = compute.TLS{Host: "score.example", Secret: compute.TLSSecret}
	standard := storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "managed", Annotations: map[string]string{
		"storageclass.kubernetes.io/is-default-class": "true"}}}
	return compute.Facts{
		Now: noon, Wants: ">=1.30.0-0", Namespace: "models", Known: &compute.Marker{Name: "lab", AttachmentUID: "uid-1"},
		Record:         compute.Fact[compute.Record]{Value: compute.Record{Attachment: a, UID: "uid-1"}},
		Version:        compute.Fact[string]{Value: "v1.37.2"},
		Nodes:          compute.Fact[[]corev1.Node]{Value: []corev1.Node{worker("a", nil), worker("b", nil), worker("c", nil)}},
		Pods:           compute.Fact[[]corev1.Pod]{Value: []corev1.Pod{scheduled("a", "1800m"), scheduled("gone", "9")}},
		StorageClasses: compute.Fact[[]storagev1.StorageClass]{Value: []storagev1.StorageClass{standard}},
		Groups: compute.Fact[[]string]{Value: []string{"gateway.networking.k8s.io", "keda.sh", "metrics.k8s.io",
			"cert-manager.io"}},
		GatewayClasses: compute.Fact[[]compute.GatewayClass]{Value: []compute.GatewayClass{{Name: "eg", Accepted: true}}},
		Space:          compute.Fact[*corev1.Namespace]{Value: &corev1.Namespace{}},
		Certificate:    compute.Fact[compute.Pair]{Value: newPairUntil(t, noon.AddDate(0, 0, 90), "", "score.example")},
	}
}

// row is a check as the tests write it.
func row(checks []compute.Check, name string) string {
	for _, c := range checks {
		if c.Check == name {
			return fmt.Sprintf("%s: %s | %s", c.Verdict, c.Finding, c.Remedy)
		}
	}
	return "there is no such check"
}

func TestAClusterThatLacksNothingIsGood(t *testing.T) {
	t.Parallel()
	checks := compute.Judge(healthy(t))
	if worst := compute.Worst(checks); worst != compute.Good {
		t.Errorf("the worst is %s", worst)
	}
	want := map[string]string{
		"capacity":      "ok: 12 vCPUs in 3 nodes, enough for FastProd | ",
		"free-cpus":     "ok: 9600m of 11400m are free, 3800m of them on one node | ",
		"gpu":           "ok: no nodes with GPUs | ",
		"storage-class": "ok: managed | ",
		"gateway":       "ok: classes eg | ",
		"tls":           "ok: for score.example until 2027-02-23 | ",
		"rights":        "ok: all that deploying takes in the namespace models | ",
	}
	for name, text := range want {
		if got := row(checks, name); got != text {
			t.Errorf("%s is %q, want %q", name, got, text)
		}
	}
}

var errForbidden = apierrors.NewForbidden(corev1.Resource("any"), "", errors.New("no"))

func TestJudge(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change      func(*compute.Facts)
		check, want string
	}{
		"an old version": {func(f *compute.Facts) { f.Version.Value = "v1.29.4" }, "kubernetes-version",
			"failed: v1.29.4; endpoints need >=1.30.0-0 | upgrade the cluster"},
		"no answer": {func(f *compute.Facts) { f.Version.Err = context.DeadlineExceeded }, "kubernetes-version",
			"failed: the cluster does not answer in time | see whether the cluster runs"},
		"detached by somebody": {func(f *compute.Facts) { f.Record = compute.Fact[compute.Record]{Err: compute.ErrNotAttached} },
			"attachment", "failed: the cluster has no record of an attachment: somebody has detached it | attach it again"},
		"never attached": {func(f *compute.Facts) {
			f.Record, f.Known = compute.Fact[compute.Record]{Err: compute.ErrNotAttached}, nil
		}, "attachment", "warning: not attached: nobody is told who uses the cluster"},
		"attached anew": {func(f *compute.Facts) { f.Known.AttachmentUID = "uid-0" }, "attachment",
			`failed: the kubeconfig knows an attachment that is gone: the cluster was attached anew as "lab" by ada`},
		"another context": {func(f *compute.Facts) { f.Known = nil }, "attachment", "this context does not say so | "},
		"a hidden record": {func(f *compute.Facts) {
			f.Record = compute.Fact[compute.Record]{Err: &compute.DeniedError{Right: "get configmaps", Err: errForbidden}}
		}, "attachment", "unknown: not known: you may not get configmaps in the namespace aml-system"},
		"too small for production": {func(f *compute.Facts) { f.Nodes.Value = f.Nodes.Value[:2] }, "capacity",
			"failed: the cluster has 2×4=8 vCPUs in 2 nodes; FastProd needs at least 12 vCPUs and 3 nodes | add nodes, or " +
				"attach the cluster with --cluster-purpose DevTest"},
		"small for tests": {func(f *compute.Facts) {
			f.Nodes.Value, f.Record.Value.Purpose = f.Nodes.Value[:1], endpoint.DevTest
		}, "capacity", "ok: 4 vCPUs in 1 node, enough for DevTest | "},
		"small and not attached": {func(f *compute.Facts) {
			f.Nodes.Value, f.Record = f.Nodes.Value[:1], compute.Fact[compute.Record]{Err: compute.ErrNotAttached}
		}, "capacity", "warning: the cluster has 1×4=4 vCPUs in 1 node; FastProd needs"},
		"a node that is cordoned": {func(f *compute.Facts) {
			f.Nodes.Value = append(f.Nodes.Value, worker("d", func(n *corev1.Node) { n.Spec.Unschedulable = true }))
		}, "capacity", "enough for FastProd; 1 more node not ready, cordoned or for the control plane"},
		"no node": {func(f *compute.Facts) { f.Nodes.Value = nil }, "capacity", "failed: no node takes replicas"},
		"hidden nodes": {func(f *compute.Facts) { f.Nodes.Err = errForbidden }, "capacity",
			"unknown: not known: you may not list nodes | ask whoever runs the cluster for the right to list nodes"},
		"a full cluster": {func(f *compute.Facts) {
			f.Pods.Value = []corev1.Pod{scheduled("a", "3500m"), scheduled("b", "3800m"), scheduled("c", "4")}
		}, "free-cpus", "warning: 300m of 11400m are free, 300m of them on one node | add nodes"},
		"hidden pods": {func(f *compute.Facts) { f.Pods.Err = errForbidden }, "free-cpus",
			"unknown: not known: you may not list pods in all namespaces"},
		"an arm node": {func(f *compute.Facts) { f.Nodes.Value[1].Status.NodeInfo.Architecture = "arm64" }, "architecture",
			"warning: the images are for amd64, and these nodes are not: b (arm64)"},
		"arm alone": {func(f *compute.Facts) {
			f.Nodes.Value = []corev1.Node{worker("a", func(n *corev1.Node) { n.Status.NodeInfo.Architecture = "arm64" })}
		}, "architecture", "failed: the images are for amd64"},
		"a GPU without a device plugin": {func(f *compute.Facts) {
			f.Nodes.Value[0].Spec.Taints = []corev1.Taint{{Key: "sku", Value: "gpu", Effect: corev1.TaintEffectNoSchedule}}
		}, "gpu", "failed: these nodes are for GPUs and offer none: a | install the device plugin"},
		"a GPU by its label": {func(f *compute.Facts) {
			f.Nodes.Value[2].Labels["kubernetes.azure.com/accelerator"] = "nvidia"
			f.Nodes.Value[2].Status.Allocatable["nvidia.com/gpu"] = resource.MustParse("0")
		}, "gpu", "failed: these nodes are for GPUs and offer none: c"},
		"GPUs": {func(f *compute.Facts) {
			f.Nodes.Value[0].Labels["accelerator"] = "nvidia"
			f.Nodes.Value[0].Status.Allocatable["nvidia.com/gpu"] = resource.MustParse("2")
			f.Nodes.Value[1].Status.Allocatable["nvidia.com/mig-1g.5gb"] = resource.MustParse("3")
		}, "gpu", "ok: 5 GPUs in 2 nodes | "},
		"no default storage": {func(f *compute.Facts) { f.StorageClasses.Value[0].Annotations = nil }, "storage-class",
			"warning: no StorageClass is the default"},
		"two defaults": {func(f *compute.Facts) {
			f.StorageClasses.Value = append(f.StorageClasses.Value, f.StorageClasses.Value...)
		}, "storage-class", "warning: several are the default"},
		"no Gateway API": {func(f *compute.Facts) { f.Groups.Value = nil }, "gateway", "ok: no Gateway API"},
		"a class that nothing serves": {func(f *compute.Facts) { f.GatewayClasses.Value[0].Accepted = false }, "gateway",
			"warning: nothing serves the classes eg | see whether their controller runs: kubectl describe gatewayclass eg"},
		"no class":       {func(f *compute.Facts) { f.GatewayClasses.Value = nil }, "gateway", "warning: the Gateway API is there"},
		"hidden classes": {func(f *compute.Facts) { f.GatewayClasses.Err = errForbidden }, "gateway", "unknown: not known: you may not list gatewayclasses"},
		"no KEDA":        {func(f *compute.Facts) { f.Groups.Value = nil }, "keda", "ok: not installed: replicas follow the CPU"},
		"no metrics":     {func(f *compute.Facts) { f.Groups.Value = nil }, "metrics-server", "warning: not installed"},
		"dead metrics": {func(f *compute.Facts) { f.Metrics.Err = apierrors.NewServiceUnavailable("no endpoints") }, "metrics-server",
			"failed: installed, but gives no answer: autoscaled replicas stay as many as they are | see why: kubectl describe apiservice"},
		"hidden metrics": {func(f *compute.Facts) { f.Metrics.Err = errForbidden }, "metrics-server",
			"unknown: not known: you may not list pods.metrics.k8s.io in the namespace models"},
		"an issuer": {func(f *compute.Facts) {
			f.Record.Value.TLS.Issuer, f.Ready.Value = "letsencrypt", true
		}, "cert-manager", "ok: installed, with the issuer letsencrypt | "},
		"an issuer that is not there": {func(f *compute.Facts) {
			f.Record.Value.TLS.Issuer = "letsencrypt"
			f.Ready.Err = apierrors.NewNotFound(corev1.Resource("clusterissuers"), "letsencrypt")
		}, "cert-manager", "failed: there is no ClusterIssuer letsencrypt, which is to renew the certificate | make it, or bring"},
		"an issuer that is not ready": {func(f *compute.Facts) { f.Record.Value.TLS.Issuer = "letsencrypt" }, "cert-manager",
			"failed: issuer letsencrypt, which is to renew the certificate, is not ready | see why"},
		"an issuer that one may not see": {func(f *compute.Facts) {
			f.Record.Value.TLS.Issuer, f.Ready.Err = "letsencrypt", errForbidden
		}, "cert-manager", "unknown: not known: you may not get clusterissuers.cert-manager.io | "},
		"an issuer without cert-manager": {func(f *compute.Facts) {
			f.Record.Value.TLS.Issuer, f.Groups.Value = "letsencrypt", nil
		}, "cert-manager", "failed: not installed, and issuer letsencrypt is to renew the certificate"},
		"no TLS": {func(f *compute.Facts) { f.Record.Value.TLS = compute.TLS{} }, "tls", "ok: none: endpoints speak plain HTTP | "},
		"a certificate that is over": {func(f *compute.Facts) { f.Now = noon.AddDate(0, 0, 91) }, "tls",
			"ended on "},
		"a certificate that ends soon": {func(f *compute.Facts) { f.Now = noon.AddDate(0, 0, 88) }, "tls",
			", in 2 days | bring a new one: kubectl aml compute update-ssl lab --ssl-cname score.example --ssl-cert-file FILE"},
		"an issuer that has time": {func(f *compute.Facts) {
			f.Now, f.Record.Value.TLS.Issuer = noon.AddDate(0, 0, 65), "letsencrypt"
		}, "tls", "ok: for score.example until"},
		"an issuer that is late": {func(f *compute.Facts) {
			f.Now, f.Record.Value.TLS.Issuer = noon.AddDate(0, 0, 70), "letsencrypt"
		}, "tls", "in 20 days | see what cert-manager says"},
		"a certificate for another host": {func(f *compute.Facts) { f.Record.Value.TLS.Host = "other.example" }, "tls",
			"is for score.example, not for other.example | bring a new one"},
		"no certificate": {func(f *compute.Facts) {
			f.Certificate.Err = apierrors.NewNotFound(corev1.Resource("secrets"), "aml-tls")
		},
			"tls", "failed: there is no secret models/aml-tls: endpoints with TLS do not start"},
		"a hidden certificate": {func(f *compute.Facts) { f.Certificate.Err = errForbidden }, "tls",
			"unknown: not known: you may not get the secret models/aml-tls"},
		"no certificate in the secret": {func(f *compute.Facts) { f.Certificate.Value.Cert = nil }, "tls", "failed: c.pem is not PEM"},
		"leftovers": {func(f *compute.Facts) {
			f.Leftovers.Value.Found = []compute.Leftover{{"deployment", "default", "azureml-fe"}, {"clusterrole", "", "azureml-fe-role"}}
		}, "azureml-fe", "warning: Azure ML v1 left deployment/azureml-fe, clusterrole/azureml-fe-role | when nothing uses it " +
			"any more: kubectl delete deployment azureml-fe -n default && kubectl delete clusterrole azureml-fe-role"},
		"hidden leftovers": {func(f *compute.Facts) {
			f.Leftovers.Value.Hidden = []compute.Leftover{{"service", "default", "azureml-fe"}}
		}, "azureml-fe", "unknown: not known: you may not get the service azureml-fe in the namespace default"},
		"no right to deploy": {func(f *compute.Facts) { f.Rights.Value.Deploy = []string{"create secrets"} }, "rights",
			"failed: you may not create secrets in the namespace models | ask for them; the ClusterRole edit"},
		"no right to look": {func(f *compute.Facts) { f.Rights.Value.Look = []string{"get pods/log"} }, "rights",
			"warning: you may deploy, but not get pods/log in the namespace models"},
		"no right to a gateway": {func(f *compute.Facts) { f.Rights.Value.Gateway = []string{"create httproutes"} }, "rights",
			"warning: you may deploy, but not with --gateway"},
		"unknown rights": {func(f *compute.Facts) { f.Rights.Err = errors.New("etcd\nis away") }, "rights",
			"unknown: not known: etcd | try again"},
		"no namespace": {func(f *compute.Facts) { f.Space.Err = apierrors.NewNotFound(corev1.Resource("namespaces"), "models") },
			"pod-security", "failed: there is no namespace models | kubectl create namespace models"},
		"a strict namespace": {func(f *compute.Facts) {
			f.Space.Value.Labels = map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}
		}, "pod-security", "ok: restricted, which endpoints keep to | "},
		"a level that is none": {func(f *compute.Facts) {
			f.Space.Value.Labels = map[string]string{"pod-security.kubernetes.io/enforce": "strict"}
		}, "pod-security", `warning: the level "strict" is none`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := healthy(t)
			test.change(&f)
			if got := row(compute.Judge(f), test.check); !strings.Contains(got, test.want) {
				t.Errorf("%s is %q, want %q", test.check, got, test.want)
			}
		})
	}
}

func TestWorst(t *testing.T) {
	t.Parallel()
	of := func(verdicts ...compute.Verdict) (checks []compute.Check) {
		for _, v := range verdicts {
			checks = append(checks, compute.Check{Verdict: v})
		}
		return checks
	}
	for want, checks := range map[compute.Verdict][]compute.Check{
		compute.Good:    of(compute.Good, compute.Good),
		compute.Warning: of(compute.Good, compute.Warning),
		compute.Unsure:  of(compute.Unsure, compute.Warning),
		compute.Bad:     of(compute.Warning, compute.Bad, compute.Unsure),
	} {
		if got := compute.Worst(checks); got != want {
			t.Errorf("the worst of %v is %s, want %s", checks, got, want)
		}
	}
}

// lookAt looks at a cluster of all APIs with one gateway class that is accepted.
func lookAt(t *testing.T, c *fake.Clientset) compute.Facts {
	t.Helper()
	for _, group := range []string{"gateway.networking.k8s.io/v1", "metrics.k8s.io/v1beta1"} {
		c.Resources = append(c.Resources, &metav1.APIResourceList{GroupVersion: group})
	}
	class := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": map[string]any{"name": "eg"},
		"status": map[string]any{"conditions": []any{map[string]any{"type": "Accepted", "status": "True"}}}}}
	issuer := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": map[string]any{"name": "letsencrypt"},
		"status": map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "True"}}}}}
	objects := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
		{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "gatewayclasses"}: "GatewayClassList",
		{Group: "metrics.k8s.io", Version: "v1beta1", Resource: "pods"}:                 "PodMetricsList",
	}, class, issuer)
	return compute.Looker{Kube: c, Dynamic: objects, Now: noon, Wants: ">=1.30.0-0", Namespace: "default"}.Look(t.Context())
}

func allow(c *fake.Clientset, may func(a *authorizationv1.ResourceAttributes) bool) {
	c.PrependReactor("create", "selfsubjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		review := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview).DeepCopy()
		review.Status.Allowed = may(review.Spec.ResourceAttributes)
		return true, review, nil
	})
}

func TestLookReadsWhatTheRecordNames(t *testing.T) {
	t.Parallel()
	c := cluster()
	a := lab()
	a.TLS = compute.TLS{Host: "score.example", Secret: compute.TLSSecret, Issuer: "letsencrypt"}
	attach(t, c, a)
	if err := compute.PutPair(t.Context(), c, "models", newPair(t, "", "score.example")); err != nil {
		t.Fatal(err)
	}
	allow(c, func(a *authorizationv1.ResourceAttributes) bool {
		return a.Namespace == "models" && (a.Resource != "secrets" || a.Verb != "delete") && a.Subresource != "portforward" &&
			a.Resource != "httproutes"
	})
	f := lookAt(t, c)
	if f.Record.Err != nil || f.Namespace != "models" || f.Certificate.Err != nil || len(f.Certificate.Value.Cert) == 0 {
		t.Errorf("read %+v", f)
	}
	if !slices.Equal(f.GatewayClasses.Value, []compute.GatewayClass{{Name: "eg", Accepted: true}}) || f.Metrics.Err != nil {
		t.Errorf("classes %v, metrics %v", f.GatewayClasses, f.Metrics.Err)
	}
	if f.Ready.Err != nil || !f.Ready.Value {
		t.Errorf("the issuer is %+v", f.Ready)
	}
	lacks := f.Rights.Value
	if !slices.Equal(lacks.Deploy, []string{"delete secrets"}) || !slices.Equal(lacks.Look, []string{"create pods/portforward"}) ||
		len(lacks.Gateway) != 4 || lacks.Gateway[1] != "create httproutes.gateway.networking.k8s.io" {
		t.Errorf("lacks %+v, error %v", lacks, f.Rights.Err)
	}
}

// Nothing that may not be read ends the look, and each row names its own right.
func TestLookGoesOnWhereItMayNotRead(t *testing.T) {
	t.Parallel()
	c := cluster()
	for _, verb := range []string{"get", "list"} {
		forbid(c, verb, "*")
	}
	forbid(c, "create", "selfsubjectaccessreviews")
	checks := compute.Judge(lookAt(t, c))
	for name, right := range map[string]string{
		"attachment": "get configmaps in the namespace aml-system", "capacity": "list nodes", "free-cpus": "list nodes",
		"architecture": "list nodes", "gpu": "list nodes", "storage-class": "list storageclasses.storage.k8s.io",
		"tls": "get configmaps in the namespace aml-system", "azureml-fe": "get the deployment azureml-fe in the namespace default",
		"rights": "ask what you may do", "pod-security": "get the namespace default",
	} {
		if got := row(checks, name); !strings.HasPrefix(got, "unknown: not known: you may not "+right) {
			t.Errorf("%s is %q, want the right to %s", name, got, right)
		}
	}
	if len(checks) != 14 {
		t.Errorf("there are %d checks", len(checks))
	}
}

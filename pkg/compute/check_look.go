// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute

import (
	"context"
	"slices"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
)

// Looker is what Look needs.
type Looker struct {
	Kube    kubernetes.Interface
	Dynamic dynamic.Interface
	// Now and Wants are handed on to Facts.
	Now   time.Time
	Wants string
	// Namespace is where the endpoints are if no record says so.
	Namespace string
	// Known is what the kubeconfig says of the compute; nil if it says nothing.
	Known *Marker
}

// Look reads all that Judge needs, as much at once as can be. What cannot be read
// is in the facts, with the reason. Nothing is changed in the cluster.
func (l Looker) Look(ctx context.Context) Facts {
	f := Facts{Now: l.Now, Wants: l.Wants, Namespace: l.Namespace, Known: l.Known}
	var wait sync.WaitGroup
	core, storage := l.Kube.CoreV1(), l.Kube.StorageV1()
	learn(&wait, &f.Version, func() (string, error) { return l.version(ctx) })
	learn(&wait, &f.Nodes, func() ([]corev1.Node, error) {
		// What the API server remembers will do: it is asked for all of them.
		list, err := core.Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		return items(list, err, func(l *corev1.NodeList) []corev1.Node { return l.Items })
	})
	learn(&wait, &f.Pods, func() ([]corev1.Pod, error) {
		list, err := core.Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		return items(list, err, func(l *corev1.PodList) []corev1.Pod { return l.Items })
	})
	learn(&wait, &f.StorageClasses, func() ([]storagev1.StorageClass, error) {
		list, err := storage.StorageClasses().List(ctx, metav1.ListOptions{})
		return items(list, err, func(l *storagev1.StorageClassList) []storagev1.StorageClass { return l.Items })
	})
	learn(&wait, &f.Leftovers, func() (Left, error) { return look(ctx, l.Kube) })
	wait.Go(func() { l.lookAtParts(ctx, &f) })
	f.Record.Value, f.Record.Err = Read(ctx, l.Kube)
	if f.Record.Err == nil {
		f.Namespace = f.Record.Value.Namespace
	}
	learn(&wait, &f.Rights, func() (Lacking, error) { return lacking(ctx, l.Kube, f.Namespace) })
	learn(&wait, &f.Space, func() (*corev1.Namespace, error) {
		return core.Namespaces().Get(ctx, f.Namespace, metav1.GetOptions{})
	})
	if name := f.Record.Value.TLS.Issuer; name != "" {
		learn(&wait, &f.Ready, func() (bool, error) { return l.issues(ctx, name) })
	}
	if name := f.Record.Value.TLS.Secret; name != "" {
		learn(&wait, &f.Certificate, func() (Pair, error) { return readPair(ctx, l.Kube, f.Namespace, name) })
	}
	wait.Wait()
	return f
}

// learn has read run beside the others.
func learn[T any](wait *sync.WaitGroup, into *Fact[T], read func() (T, error)) {
	wait.Go(func() { into.Value, into.Err = read() })
}

// items are those of a list that was read.
func items[L, T any](list L, err error, of func(L) []T) ([]T, error) {
	if err != nil {
		return nil, err
	}
	return of(list), nil
}

func (l Looker) version(ctx context.Context) (string, error) {
	v, err := discovery.ToServerVersionInterfaceWithContext(l.Kube.Discovery()).ServerVersionWithContext(ctx)
	if err != nil {
		return "", err
	}
	return v.GitVersion, nil
}

// lookAtParts asks which APIs there are, and then those that there are. Metrics
// are asked of the namespace that the caller named: there they may be read.
func (l Looker) lookAtParts(ctx context.Context, f *Facts) {
	list, err := discovery.ToServerGroupsInterfaceWithContext(l.Kube.Discovery()).ServerGroupsWithContext(ctx)
	if f.Groups.Err = err; err != nil {
		return
	}
	// A method of Facts would read what the others are writing.
	var groups []string
	for _, g := range list.Groups {
		groups = append(groups, g.Name)
	}
	f.Groups.Value = groups
	var wait sync.WaitGroup
	if slices.Contains(groups, groupGateway) {
		learn(&wait, &f.GatewayClasses, func() ([]GatewayClass, error) { return l.gatewayClasses(ctx) })
	}
	if slices.Contains(groups, groupMetrics) {
		learn(&wait, &f.Metrics, func() (none struct{}, err error) {
			pods := schema.GroupVersionResource{Group: groupMetrics, Version: "v1beta1", Resource: "pods"}
			_, err = l.Dynamic.Resource(pods).Namespace(l.Namespace).List(ctx, metav1.ListOptions{})
			return none, err
		})
	}
	wait.Wait()
}

func (l Looker) gatewayClasses(ctx context.Context) ([]GatewayClass, error) {
	classes := schema.GroupVersionResource{Group: groupGateway, Version: "v1", Resource: "gatewayclasses"}
	list, err := l.Dynamic.Resource(classes).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	found := make([]GatewayClass, 0, len(list.Items))
	for _, class := range list.Items {
		found = append(found, GatewayClass{class.GetName(), is(class, "Accepted")})
	}
	return found, nil
}

// is tells whether a condition of the object is true.
func is(object unstructured.Unstructured, what string) bool {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	return slices.ContainsFunc(conditions, func(one any) bool {
		condition, _ := one.(map[string]any)
		return condition["type"] == what && condition["status"] == "True"
	})
}

// issues tells whether a ClusterIssuer of cert-manager is ready.
func (l Looker) issues(ctx context.Context, name string) (bool, error) {
	issuers := schema.GroupVersionResource{Group: groupCertManager, Version: "v1", Resource: "clusterissuers"}
	issuer, err := l.Dynamic.Resource(issuers).Get(ctx, name, metav1.GetOptions{})
	return err == nil && is(*issuer, "Ready"), err
}

func readPair(ctx context.Context, kube kubernetes.Interface, namespace, name string) (Pair, error) {
	found, err := kube.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return Pair{}, err
	}
	at := "secret " + namespace + "/" + name + " "
	return Pair{CertFile: at + corev1.TLSCertKey, KeyFile: at + corev1.TLSPrivateKeyKey,
		Cert: found.Data[corev1.TLSCertKey], Key: found.Data[corev1.TLSPrivateKeyKey]}, nil
}

// need is a resource and what is done with it.
type need struct {
	group, resource, subresource string
	verbs                        []string
}

// lacking asks for each right by itself: a list of all rights is not complete
// where something other than Kubernetes decides, such as Azure's roles.
func lacking(ctx context.Context, kube kubernetes.Interface, namespace string) (Lacking, error) {
	var l Lacking
	var wait sync.WaitGroup
	var errs [3]error
	for i, ask := range []struct {
		into  *[]string
		needs []need
	}{{&l.Deploy, deployNeeds()}, {&l.Look, lookNeeds()}, {&l.Gateway, []need{
		{groupGateway, "httproutes", "", []string{"get", "create", "patch", "delete"}}}},
	} {
		wait.Go(func() { *ask.into, errs[i] = missing(ctx, kube, namespace, ask.needs) })
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return Lacking{}, err
		}
	}
	return l, nil
}

// deployNeeds are what Helm makes of the chart, and keeps of its releases.
func deployNeeds() []need {
	change := []string{"get", "create", "patch", "delete"}
	return []need{
		{"", "secrets", "", []string{"get", "list", "create", "update", "patch", "delete"}},
		{"", "configmaps", "", []string{"get", "list", "create", "update", "patch", "delete"}},
		{"", "services", "", change},
		{"", "serviceaccounts", "", change},
		{"", "pods", "", []string{"get", "list", "watch"}},
		{"apps", "deployments", "", append(change, "list", "watch")},
		{"autoscaling", "horizontalpodautoscalers", "", change},
		{"policy", "poddisruptionbudgets", "", change},
		{"networking.k8s.io", "networkpolicies", "", change},
	}
}

// lookNeeds are what calling, logs and status take.
func lookNeeds() []need {
	return []need{
		{"", "pods", "log", []string{"get"}},
		{"", "pods", "portforward", []string{"create"}},
		{"", "events", "", []string{"list"}},
		{"apps", "replicasets", "", []string{"list"}},
	}
}

// missing are the rights of the needs that the caller lacks, in their order.
func missing(ctx context.Context, kube kubernetes.Interface, namespace string, needs []need) ([]string, error) {
	type answer struct {
		right string
		has   bool
		err   error
	}
	var wait sync.WaitGroup
	var answers []*answer
	for _, n := range needs {
		for _, verb := range n.verbs {
			a := &answer{right: n.right(verb)}
			answers = append(answers, a)
			wait.Go(func() { a.has, a.err = n.asked(ctx, kube, namespace, verb) })
		}
	}
	wait.Wait()
	var lacks []string
	for _, a := range answers {
		if a.err != nil {
			return nil, a.err
		}
		if !a.has {
			lacks = append(lacks, a.right)
		}
	}
	return lacks, nil
}

// right is one of them as kubectl auth can-i takes it.
func (n need) right(verb string) string {
	right := verb + " " + n.resource
	if n.group != "" {
		right += "." + n.group
	}
	if n.subresource != "" {
		right += "/" + n.subresource
	}
	return right
}

func (n need) asked(ctx context.Context, kube kubernetes.Interface, namespace, verb string) (bool, error) {
	review, err := kube.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx,
		&authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: verb,
				Group: n.group, Resource: n.resource, Subresource: n.subresource},
		}}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}

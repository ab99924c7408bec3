// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/clock"
)

// Kubeconfig is the user's kubeconfig, of one file or several, where computes are
// contexts with a marker.
type Kubeconfig struct {
	Access clientcmd.ConfigAccess
	// Clock is for waiting while somebody else writes; nil is the real one.
	Clock clock.Clock
}

// Context is a context of the kubeconfig.
type Context struct {
	Name, Namespace, Server string
	Current                 bool
	// Marker says which compute the context leads to; nil for none.
	Marker *Marker
	// Problem says why the marker cannot be read, if there is one that cannot.
	Problem error
}

// Contexts returns all contexts by name.
func (k Kubeconfig) Contexts() ([]Context, error) {
	config, err := k.Access.GetStartingConfig()
	if err != nil {
		return nil, err
	}
	contexts := make([]Context, 0, len(config.Contexts))
	for _, name := range slices.Sorted(maps.Keys(config.Contexts)) {
		entry := config.Contexts[name]
		c := Context{Name: name, Namespace: cmp.Or(entry.Namespace, "default"), Current: name == config.CurrentContext}
		if cluster := config.Clusters[entry.Cluster]; cluster != nil {
			c.Server = cluster.Server
		}
		if c.Marker, err = marker(entry); err != nil {
			c.Marker, c.Problem = nil, broken(name, err)
		}
		contexts = append(contexts, c)
	}
	return contexts, nil
}

// Computes returns the contexts that lead to computes, with those whose marker
// cannot be read, by name.
func (k Kubeconfig) Computes() ([]Context, error) {
	contexts, err := k.Contexts()
	return slices.DeleteFunc(contexts, func(c Context) bool { return c.Marker == nil && c.Problem == nil }), err
}

// Context returns the context of the name, and whether there is one. One with a
// marker that cannot be read is an error.
func (k Kubeconfig) Context(name string) (Context, bool, error) {
	return k.find(func(c Context) bool { return c.Name == name })
}

// Current is Context of the current one.
func (k Kubeconfig) Current() (Context, bool, error) {
	return k.find(func(c Context) bool { return c.Current })
}

func (k Kubeconfig) find(wanted func(Context) bool) (Context, bool, error) {
	contexts, err := k.Contexts()
	i := slices.IndexFunc(contexts, wanted)
	if err != nil || i < 0 {
		return Context{}, false, err
	}
	return contexts[i], true, contexts[i].Problem
}

// PutOptions are about the context that Put writes.
type PutOptions struct {
	// Namespace is the context's; empty for that of the context it is made from.
	Namespace string
	// Overwrite replaces entries of the same names that lead elsewhere.
	Overwrite bool
	// Use makes it the current context. Otherwise the current one stays.
	Use bool
}

// Put writes the context fromContext of from as the context name, with the marker.
// The cluster and the user come with it unless the kubeconfig has the same ones
// already. Entries of the same names that lead elsewhere are refused, and nothing is
// written, unless o.Overwrite is set. Other entries stay as they are.
func (k Kubeconfig) Put(ctx context.Context, name string, from clientcmdapi.Config, fromContext string,
	m Marker, o PutOptions,
) error {
	return k.edit(ctx, func(f *files) error { return put(f, name, from, fromContext, m, o) })
}

// Check is Put without a change: it returns the error that Put would, as far as it
// can be told beforehand.
func (k Kubeconfig) Check(name string, from clientcmdapi.Config, fromContext string, m Marker, o PutOptions) error {
	f, err := k.load()
	if err != nil {
		return err
	}
	if err := put(f, name, from, fromContext, m, o); err != nil {
		return err
	}
	return f.writable()
}

func put(f *files, name string, from clientcmdapi.Config, fromContext string, m Marker, o PutOptions) error {
	source, ok := from.Contexts[fromContext]
	if !ok {
		return fmt.Errorf("there is no context %q: see kubectl config get-contexts", fromContext)
	}
	cluster, user := from.Clusters[source.Cluster], from.AuthInfos[source.AuthInfo]
	if cluster == nil {
		return fmt.Errorf("context %q names the cluster %q, which is not there", fromContext, source.Cluster)
	}
	next := source.DeepCopy()
	old, in := f.context(name)
	m.Made = nil
	var was *Marker
	if old != nil {
		was, _ = marker(old) // one that cannot be read is written anew
		server, _ := f.cluster(old.Cluster)
		elsewhere := server == nil || server.Server != cluster.Server || (was == nil && old.AuthInfo != source.AuthInfo)
		if elsewhere && !o.Overwrite {
			return elsewhereError(name, old, server)
		}
		next.Extensions = old.DeepCopy().Extensions
		m.Made = was.keeps(elsewhere)
	} else {
		next.Extensions = nil
		m.Made = []string{madeContext}
	}
	brought, err := f.bring(name, source, cluster, user, was, o.Overwrite)
	if err != nil {
		return err
	}
	for _, what := range brought {
		if !m.made(what) {
			m.Made = append(m.Made, what)
		}
	}
	next.Namespace = cmp.Or(o.Namespace, next.Namespace)
	if err := mark(next, &m); err != nil {
		return err
	}
	in.Contexts[name] = next
	if o.Use {
		f.main().CurrentContext = name
	}
	return nil
}

// keeps is what a context that is written anew was made with. One that led
// elsewhere keeps its own origin only.
func (m *Marker) keeps(elsewhere bool) []string {
	switch {
	case m == nil:
		return nil
	case elsewhere && m.made(madeContext):
		return []string{madeContext}
	case elsewhere:
		return nil
	}
	return slices.Clone(m.Made)
}

func elsewhereError(name string, old *clientcmdapi.Context, server *clientcmdapi.Cluster) error {
	where := "the cluster " + old.Cluster
	if server != nil {
		where = server.Server
	}
	return &ConflictError{fmt.Sprintf("the kubeconfig has a context %q already, which leads to %s as user %q: "+
		"give another name, or --overwrite-existing", name, where, old.AuthInfo)}
}

// ConflictError is for an entry of the kubeconfig that is in the way.
type ConflictError struct{ message string }

// Error names the entry and what to write instead.
func (e *ConflictError) Error() string { return e.message }

// bring writes the cluster and the user of a context, unless they are there as
// they are, and returns which it made.
func (f *files) bring(name string, source *clientcmdapi.Context, cluster *clientcmdapi.Cluster,
	user *clientcmdapi.AuthInfo, was *Marker, overwrite bool,
) (made []string, err error) {
	there, in := f.cluster(source.Cluster)
	if !sameCluster(there, cluster) {
		ours := was.made(madeCluster) && !f.used(name, source.Cluster, "")
		if there != nil && !overwrite && !ours {
			return nil, entryError("cluster", source.Cluster)
		}
		if there == nil {
			made = append(made, madeCluster)
		}
		in.Clusters[source.Cluster] = cluster.DeepCopy()
	}
	if user == nil { // a cluster that asks for no credentials
		return made, nil
	}
	known, in := f.user(source.AuthInfo)
	if !sameUser(known, user) {
		ours := was.made(madeUser) && !f.used(name, "", source.AuthInfo)
		if known != nil && !overwrite && !ours {
			return nil, entryError("user", source.AuthInfo)
		}
		if known == nil {
			made = append(made, madeUser)
		}
		in.AuthInfos[source.AuthInfo] = user.DeepCopy()
	}
	return made, nil
}

func entryError(what, name string) error {
	return &ConflictError{fmt.Sprintf("the kubeconfig has another %s %q already: "+
		"name another file with --kubeconfig, or give --overwrite-existing", what, name)}
}

// Where an entry was read from is no part of it.

func sameCluster(a, b *clientcmdapi.Cluster) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := *a, *b
	x.LocationOfOrigin, y.LocationOfOrigin = "", ""
	return apiequality.Semantic.DeepEqual(x, y)
}

func sameUser(a, b *clientcmdapi.AuthInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := *a, *b
	x.LocationOfOrigin, y.LocationOfOrigin = "", ""
	return apiequality.Semantic.DeepEqual(x, y)
}

// Mark writes the marker into the context of the name, or takes it out if m is
// nil. What Put noted as made for the compute is kept.
func (k Kubeconfig) Mark(ctx context.Context, name string, m *Marker) error {
	return k.edit(ctx, func(f *files) error {
		c, _ := f.context(name)
		if c == nil {
			return noContext(name)
		}
		if m == nil {
			return mark(c, nil)
		}
		next := *m
		if was, err := marker(c); err == nil && was != nil && next.Made == nil {
			next.Made = was.Made
		}
		return mark(c, &next)
	})
}

// Remove takes the compute's context out of the kubeconfig, with its cluster and
// user if they were made for it and no other context uses them. A context that
// was there before loses its marker only. Which one is the current context stays
// as it is, even if that is this one. No context of the name is no error.
func (k Kubeconfig) Remove(ctx context.Context, name string) error {
	return k.edit(ctx, func(f *files) error {
		c, in := f.context(name)
		if c == nil {
			return nil
		}
		m, err := marker(c)
		switch {
		case err != nil:
			return broken(name, err)
		case m == nil:
			return fmt.Errorf("context %q is no compute: drop it with kubectl config delete-context %s", name, name)
		case !m.made(madeContext):
			return mark(c, nil)
		}
		delete(in.Contexts, name)
		if _, in := f.cluster(c.Cluster); m.made(madeCluster) && !f.used(name, c.Cluster, "") {
			delete(in.Clusters, c.Cluster)
		}
		if _, in := f.user(c.AuthInfo); m.made(madeUser) && !f.used(name, "", c.AuthInfo) {
			delete(in.AuthInfos, c.AuthInfo)
		}
		return nil
	})
}

// Use makes the context of the name the current one.
func (k Kubeconfig) Use(ctx context.Context, name string) error {
	return k.edit(ctx, func(f *files) error {
		if c, _ := f.context(name); c == nil {
			return noContext(name)
		}
		f.main().CurrentContext = name
		return nil
	})
}

// broken is for a context whose marker cannot be read.
func broken(name string, err error) error {
	return fmt.Errorf("context %q: %w; drop it with kubectl config delete-context %s", name, err, name)
}

func noContext(name string) error {
	return fmt.Errorf("the kubeconfig has no context %q: see kubectl aml compute list", name)
}

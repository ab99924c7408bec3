// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"context"
	"fmt"
	"strings"

	helmkube "helm.sh/helm/v3/pkg/kube"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/resource"

	"golang.org/x/sync/errgroup"

	"github.com/kubectl-aml/kubectl-aml/pkg/drift"
)

// Objects returns the objects of r, which is in force, as the cluster has them
// and as r would have them; nothing is proposed. Objects with the endpoint's
// labels that r does not have are among them. It changes nothing: where an object
// is not as r says, the API server is asked in a dry run what applying r again
// would make of it. That needs the right to patch.
func (c *Client) Objects(ctx context.Context, r Release) ([]drift.Object, error) {
	s := c.reader(r.Name)
	_, g, err := s.configure(ctx)
	if err != nil {
		return nil, c.explain(err)
	}
	revision, err := g.Build(strings.NewReader(r.Manifest), false)
	if err != nil {
		return nil, c.explain(err)
	}
	objects, err := s.states(ctx, states{revision: revision})
	return objects, c.explain(err)
}

// Compare returns the objects of an endpoint as Objects does, and as a revision
// with the manifest proposed would have them: what Helm's merge makes of what is
// live. Without an endpoint of the name, all objects are new ones.
func (c *Client) Compare(ctx context.Context, name, proposed string) ([]drift.Object, error) {
	s := c.reader(name)
	at, err := s.look(ctx)
	if err == nil {
		err = c.foreign(name, at)
	}
	if err != nil {
		return nil, err
	}
	objects, err := s.compare(ctx, at, proposed)
	return objects, c.explain(err)
}

// reader is a session without a Lease, in which nothing can be written.
func (c *Client) reader(name string) *session {
	return &session{Client: c, name: name, lines: &lines{}, fence: func() error {
		return fmt.Errorf("endpoint %q is only looked at: nothing may be written", name)
	}}
}

func (s *session) compare(ctx context.Context, at situation, proposed string) ([]drift.Object, error) {
	_, g, err := s.configure(ctx)
	if err != nil {
		return nil, err
	}
	st := states{}
	if at.inForce != nil {
		if st.revision, err = g.Build(strings.NewReader(at.inForce.Manifest), false); err != nil {
			return nil, err
		}
	}
	if st.target, err = g.Build(strings.NewReader(proposed), false); err != nil {
		return nil, err
	}
	g.attempts = manifests(at.since)
	if st.original, err = g.leftovers(st.revision); err != nil {
		return nil, err
	}
	if err := leaveReplicas(st.original, st.target); err != nil {
		return nil, err
	}
	return s.states(ctx, st)
}

// states are the manifests of a comparison.
type states struct {
	// revision is what is in force, original what an update starts from and
	// target what it is to be; both are empty if nothing is proposed.
	revision, original, target helmkube.ResourceList
}

// states reads what is live and merges it.
func (s *session) states(ctx context.Context, st states) ([]drift.Object, error) {
	infos := append(helmkube.ResourceList{}, st.revision...)
	for _, list := range []helmkube.ResourceList{st.original, st.target} {
		infos = append(infos, list.Difference(infos)...)
	}
	live, err := s.live(ctx, infos)
	if err != nil {
		return nil, err
	}
	objects := make([]drift.Object, len(infos))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(atOnce)
	for i, info := range infos {
		work.Go(func() (err error) {
			objects[i], err = st.object(ctx, info, live.take(info))
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	objects = append(objects, live.strays()...)
	drift.Sort(objects)
	return objects, nil
}

// atOnce bounds the requests that are under way.
const atOnce = 8

func (st states) object(ctx context.Context, info *resource.Info, live map[string]any) (drift.Object, error) {
	o := drift.Object{Kind: info.Mapping.GroupVersionKind, Name: info.Name, Live: live}
	var original, target map[string]any
	for _, state := range []struct {
		into *map[string]any
		list helmkube.ResourceList
	}{{&o.Revision, st.revision}, {&original, st.original}, {&target, st.target}} {
		var err error
		if *state.into, err = contentOf(state.list.Get(info)); err != nil {
			return o, err
		}
	}
	var err error
	if o.Restored, err = merged(ctx, info, o.Revision, o.Revision, live); err != nil {
		return o, err
	}
	if target == nil {
		return o, nil
	}
	if original == nil { // it is adopted: nothing is taken away
		original = target
	}
	o.Proposed, err = merged(ctx, info, original, target, live)
	return o, err
}

func contentOf(info *resource.Info) (map[string]any, error) {
	if info == nil {
		return nil, nil
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(info.Object)
	return runtime.DeepCopyJSON(content), err
}

// merged is what an update from before to after makes of live; after itself if
// nothing is live. The API server is asked only if there is something to change.
func merged(ctx context.Context, info *resource.Info, before, after, live map[string]any) (map[string]any, error) {
	if live == nil || after == nil {
		return after, nil
	}
	patch, kind, err := drift.Patch(info.Mapping.GroupVersionKind, before, after, live)
	if err != nil || patch == nil {
		return live, err
	}
	object, err := tryPatch(ctx, info, kind, patch)
	if err != nil {
		return nil, fmt.Errorf("try to update %s: %w", info.ObjectName(), err)
	}
	return runtime.DefaultUnstructuredConverter.ToUnstructured(object)
}

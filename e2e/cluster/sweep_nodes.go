// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-aml/kubectl-aml/pkg/layout"
)

// idleFor is how long a node keeps an image that was loaded into it and that nothing
// in the cluster names.
const idleFor = 24 * time.Hour

// sweepNodes removes the nodes' images that are gone from the registry, and those of
// folders, which were loaded, that are idle. The next deploy that wants one brings it back.
func (s *session) sweepNodes(ctx context.Context, c *Cluster, g gone) error {
	const ctr = "ctr --namespace k8s.io images "
	all := map[string]string{}
	for _, n := range c.nodes {
		list, err := c.NodeExec(ctx, n.name, "sh", "-c", ctr+"ls")
		if err != nil {
			return err
		}
		all[n.name] = list
	}
	if err := s.findIdle(ctx, c, slices.Collect(maps.Values(all)), g); err != nil {
		return err
	}
	for name, list := range all {
		if refs := goneFrom(list, g); len(refs) > 0 {
			if _, err := c.NodeExec(ctx, name, "sh", "-c", ctr+"rm "+strings.Join(refs, " ")); err != nil {
				return err
			}
		}
	}
	return nil
}

// findIdle adds the images that are idle to those that are gone. Since when nothing
// names an image is kept in a file: containerd does not know.
func (s *session) findIdle(ctx context.Context, c *Cluster, lists []string, g gone) error {
	named, err := c.named(ctx)
	if err != nil {
		return err
	}
	file := filepath.Join(s.folder(), "idle.json")
	var since map[string]time.Time
	if text, err := os.ReadFile(file); err == nil {
		_ = json.Unmarshal(text, &since) // half a file says nothing
	}
	since = idleSince(strings.Join(lists, "\n"), named, since, s.opts.Clock.Now())
	for ref, at := range since {
		if s.opts.Clock.Since(at) > idleFor {
			g.images[ref] = true
		}
	}
	text, err := json.Marshal(since)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

// idleSince are the images of folders in containerd's lists whose digests are not
// named, and since when: what was said before, or now.
func idleSince(lists string, named map[string]bool, before map[string]time.Time, now time.Time) map[string]time.Time {
	since := map[string]time.Time{}
	for line := range strings.Lines(lists) {
		ref, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		_, digest, _ := strings.Cut(ref, "@")
		if !strings.HasPrefix(ref, layout.Host+"/") || named[digest] {
			continue
		}
		since[ref] = now
		if at, known := before[ref]; known {
			since[ref] = at
		}
	}
	return since
}

// goneFrom are the names that a node has for images that are gone: those of the
// registry, and the one by the configuration's digest if no other name is left. all
// is containerd's list, which has name, type and digest in front.
func goneFrom(all string, g gone) []string {
	var remove []string
	lost, left := map[string]bool{}, map[string]bool{} // by digest
	ids := map[string]string{}                         // and their digests
	for line := range strings.Lines(all) {
		fields := strings.Fields(line)
		switch {
		case len(fields) < 3:
		case strings.HasPrefix(fields[0], "sha256:"):
			ids[fields[0]] = fields[2]
		case g.has(fields[0]):
			remove, lost[fields[2]] = append(remove, fields[0]), true
		default:
			left[fields[2]] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		if lost[ids[id]] && !left[ids[id]] {
			remove = append(remove, id)
		}
	}
	return remove
}

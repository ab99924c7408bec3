// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package releasetest

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/apimachinery/pkg/labels"
)

// Records keeps the revisions of a namespace ("": of all) as Helm's driver for
// Secrets does, with the same labels and answers, but does not pack them: in a test
// of commands that is most of the time. Selector leaves out of lists what it does
// not select; "" selects all.
func (c *Cluster) Records(namespace, selector string) driver.Driver {
	return &records{cluster: c, namespace: namespace, selector: selector}
}

type records struct {
	cluster             *Cluster
	namespace, selector string
}

// record is one revision.
type record struct {
	labels labels.Set
	json   []byte
}

func newRecord(r *helmrelease.Release) (record, error) {
	raw, err := json.Marshal(r)
	own := labels.Set{"name": r.Name, "owner": "helm", "status": r.Info.Status.String(),
		"version": strconv.Itoa(r.Version)}
	return record{labels.Merge(r.Labels, own), raw}, err
}

func (r record) release() (*helmrelease.Release, error) {
	release := &helmrelease.Release{}
	err := json.Unmarshal(r.json, release)
	release.Labels = maps.Clone(r.labels)
	return release, err
}

// Name says what this is.
func (*records) Name() string { return "Memory" }

func (s *records) put(key string, r *helmrelease.Release, known bool, refusal error) error {
	next, err := newRecord(r)
	if err != nil {
		return err
	}
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	at := s.namespace + "/" + key
	if _, there := s.cluster.records[at]; there != known {
		return refusal
	}
	s.cluster.records[at] = next
	return nil
}

// Create adds a revision.
func (s *records) Create(key string, r *helmrelease.Release) error {
	return s.put(key, r, false, driver.ErrReleaseExists)
}

// Update overwrites a revision.
func (s *records) Update(key string, r *helmrelease.Release) error {
	return s.put(key, r, true, driver.ErrReleaseNotFound)
}

// Get reads a revision, without the labels that are Helm's own.
func (s *records) Get(key string) (*helmrelease.Release, error) {
	s.cluster.mu.Lock()
	found, ok := s.cluster.records[s.namespace+"/"+key]
	s.cluster.mu.Unlock()
	if !ok {
		return nil, driver.ErrReleaseNotFound
	}
	r, err := found.release()
	maps.DeleteFunc(r.Labels, func(label, _ string) bool { return slices.Contains(driver.GetSystemLabels(), label) })
	return r, err
}

// Delete removes a revision and returns it.
func (s *records) Delete(key string) (*helmrelease.Release, error) {
	r, err := s.Get(key)
	if err != nil {
		return nil, err
	}
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	delete(s.cluster.records, s.namespace+"/"+key)
	return r, nil
}

// List returns the revisions that the filter lets through.
func (s *records) List(filter func(*helmrelease.Release) bool) ([]*helmrelease.Release, error) {
	all, err := s.selected(labels.Set{"owner": "helm"})
	return slices.DeleteFunc(all, func(r *helmrelease.Release) bool { return !filter(r) }), err
}

// Query returns the revisions with the labels, and an error if there is none.
func (s *records) Query(with map[string]string) ([]*helmrelease.Release, error) {
	all, err := s.selected(with)
	if err == nil && len(all) == 0 {
		return nil, driver.ErrReleaseNotFound
	}
	return all, err
}

func (s *records) selected(with labels.Set) ([]*helmrelease.Release, error) {
	more, err := labels.Parse(s.selector)
	if err != nil {
		return nil, err
	}
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	var all []*helmrelease.Release
	for _, at := range slices.Sorted(maps.Keys(s.cluster.records)) {
		found := s.cluster.records[at]
		here := s.namespace == "" || strings.HasPrefix(at, s.namespace+"/")
		if !here || !with.AsSelector().Matches(found.labels) || !more.Matches(found.labels) {
			continue
		}
		r, err := found.release()
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

var _ driver.Driver = (*records)(nil)

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package layout

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// catalog lists the repositories.
func (l *Layout) catalog(r *http.Request) (answer, error) {
	i, err := l.index()
	if err != nil {
		return answer{}, err
	}
	var repos []string
	for _, d := range i.Manifests {
		if e := entryOf(d); e.repo != "" {
			repos = append(repos, e.repo)
		}
	}
	slices.Sort(repos)
	page, header, err := pageOf(r, slices.Compact(repos))
	if err != nil {
		return answer{}, err
	}
	return inJSON(http.StatusOK, map[string]any{"repositories": page}, header)
}

// tags lists the tags of a repository.
func (l *Layout) tags(r *http.Request, repo, rest string) (answer, error) {
	if rest != "list" {
		return answer{}, refuse(http.StatusNotFound, "NAME_UNKNOWN", "there is no %s", r.URL.Path)
	}
	if r.Method != http.MethodGet {
		return answer{}, notAllowed(r)
	}
	i, err := l.index()
	if err != nil {
		return answer{}, err
	}
	var tags []string
	known := false
	for _, d := range i.Manifests {
		e := entryOf(d)
		known = known || e.repo == repo
		if e.repo == repo && e.tag != "" {
			tags = append(tags, e.tag)
		}
	}
	if !known {
		return answer{}, refuse(http.StatusNotFound, "NAME_UNKNOWN", "there is no repository %s", repo)
	}
	slices.Sort(tags)
	page, header, err := pageOf(r, tags)
	if err != nil {
		return answer{}, err
	}
	return inJSON(http.StatusOK, map[string]any{"name": repo, "tags": page}, header)
}

// pageOf is what of a sorted list is asked for with n and last, and says in a
// header where the next page is.
func pageOf(r *http.Request, all []string) ([]string, map[string]string, error) {
	query := r.URL.Query()
	if last := query.Get("last"); last != "" {
		at, found := slices.BinarySearch(all, last)
		if found {
			at++
		}
		all = all[at:]
	}
	page := append([]string{}, all...) // an empty list is one, too
	text := query.Get("n")
	if text == "" {
		return page, nil, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return nil, nil, refuse(http.StatusBadRequest, "PAGINATION_NUMBER_INVALID", "%q is no number of results", text)
	}
	if n >= len(page) {
		return page, nil, nil
	}
	if page = page[:n]; n == 0 {
		return page, nil, nil
	}
	next := url.Values{"n": {text}, "last": {page[n-1]}}
	return page, map[string]string{"Link": fmt.Sprintf(`<%s?%s>; rel="next"`, r.URL.Path, next.Encode())}, nil
}

// referrers lists the manifests of a repository that have a subject.
func (l *Layout) referrers(r *http.Request, repo, rest string) (answer, error) {
	subject, err := parseDigest(rest)
	if err != nil {
		return answer{}, err
	}
	if r.Method != http.MethodGet {
		return answer{}, notAllowed(r)
	}
	i, err := l.index()
	if err != nil {
		return answer{}, err
	}
	wanted := r.URL.Query().Get("artifactType")
	out := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{}}
	seen := map[v1.Hash]bool{}
	for _, d := range i.Manifests {
		if entryOf(d).repo != repo || seen[d.Digest] {
			continue
		}
		seen[d.Digest] = true
		m, err := l.read(d.Digest)
		if err != nil {
			return answer{}, err
		}
		kind := m.kind()
		if m.Subject == nil || m.Subject.Digest != subject || wanted != "" && wanted != kind {
			continue
		}
		out.Manifests = append(out.Manifests, v1.Descriptor{MediaType: d.MediaType, Size: d.Size, Digest: d.Digest,
			ArtifactType: kind, Annotations: m.Annotations})
	}
	header := map[string]string{"Content-Type": string(types.OCIImageIndex)}
	if wanted != "" {
		header["OCI-Filters-Applied"] = "artifactType"
	}
	return inJSON(http.StatusOK, out, header)
}

// kind is the type of an artifact.
func (m manifest) kind() string {
	if m.ArtifactType == "" && m.Config != nil {
		return string(m.Config.MediaType)
	}
	return m.ArtifactType
}

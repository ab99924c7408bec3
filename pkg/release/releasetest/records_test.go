// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package releasetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
)

func revision(name string, version int, status helmrelease.Status) *helmrelease.Release {
	return &helmrelease.Release{Name: name, Namespace: "models", Version: version, Manifest: "kind: Pod",
		Info: &helmrelease.Info{Status: status, Description: "text"}, Labels: map[string]string{"by": "ada"}}
}

// told is what a driver answers, without the times that are in its labels.
func told(found []*helmrelease.Release, err error) string {
	var lines []string
	for _, r := range found {
		delete(r.Labels, "createdAt")
		delete(r.Labels, "modifiedAt")
		labels := fmt.Sprint(slices.Sorted(maps.Keys(r.Labels)), r.Labels)
		lines = append(lines, fmt.Sprint(r.Name, r.Version, *r.Info, r.Manifest, labels))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + fmt.Sprint(err)
}

func one(r *helmrelease.Release, err error) string {
	if r == nil {
		return told(nil, err)
	}
	return told([]*helmrelease.Release{r}, err)
}

func TestRecordsAnswerAsHelmsDriverForSecretsDoes(t *testing.T) {
	t.Parallel()
	cluster := New("models")
	ours, helms := cluster.Records("models", ""), driver.NewSecrets(cluster.Clientset.CoreV1().Secrets("models"))
	all := func(*helmrelease.Release) bool { return true }
	kept := revision("a", 1, helmrelease.StatusDeployed)
	for _, step := range []struct {
		name string
		do   func(driver.Driver) string
	}{
		{"get what is not there", func(d driver.Driver) string { return one(d.Get("a.v1")) }},
		{"find what is not there", func(d driver.Driver) string { return told(d.Query(map[string]string{"name": "a"})) }},
		{"list what is not there", func(d driver.Driver) string { return told(d.List(all)) }},
		{"delete what is not there", func(d driver.Driver) string { return one(d.Delete("a.v1")) }},
		{"create", func(d driver.Driver) string { return told(nil, d.Create("a.v1", kept)) }},
		{"create once more", func(d driver.Driver) string { return told(nil, d.Create("a.v1", kept)) }},
		{"create another", func(d driver.Driver) string {
			return told(nil, d.Create("b.v1", revision("b", 1, helmrelease.StatusFailed)))
		}},
		{"get", func(d driver.Driver) string { return one(d.Get("a.v1")) }},
		{"get after the caller changed theirs", func(d driver.Driver) string {
			kept.Info.Description = "changed"
			return one(d.Get("a.v1"))
		}},
		{"find", func(d driver.Driver) string {
			return told(d.Query(map[string]string{"name": "a", "owner": "helm", "status": "deployed"}))
		}},
		{"list", func(d driver.Driver) string { return told(d.List(all)) }},
		{"list some", func(d driver.Driver) string {
			return told(d.List(func(r *helmrelease.Release) bool { return r.Name == "b" }))
		}},
		{"update", func(d driver.Driver) string {
			return told(nil, d.Update("a.v1", revision("a", 1, helmrelease.StatusSuperseded))) + one(d.Get("a.v1"))
		}},
		{"find by the status of before", func(d driver.Driver) string {
			return told(d.Query(map[string]string{"status": "deployed"}))
		}},
		{"delete", func(d driver.Driver) string { return one(d.Delete("a.v1")) + told(d.List(all)) }},
	} {
		if got, want := step.do(ours), step.do(helms); got != want {
			t.Errorf("%s: got\n%s\nHelm's answers\n%s", step.name, got, want)
		}
	}
}

func TestRecordsAreThoseOfTheNamespaceThatAreSelected(t *testing.T) {
	t.Parallel()
	cluster := New("models")
	for namespace, status := range map[string]helmrelease.Status{
		"models": helmrelease.StatusSuperseded, "others": helmrelease.StatusDeployed,
	} {
		if err := cluster.Records(namespace, "").Create("a.v1", revision(namespace, 1, status)); err != nil {
			t.Fatal(err)
		}
	}
	for want, d := range map[string]driver.Driver{
		"models others": cluster.Records("", ""), "models": cluster.Records("models", ""),
		"others": cluster.Records("", "status!=superseded"), "": cluster.Records("models", "status!=superseded"),
	} {
		found, err := d.List(func(*helmrelease.Release) bool { return true })
		var names []string
		for _, r := range found {
			names = append(names, r.Name)
		}
		if got := strings.Join(names, " "); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}

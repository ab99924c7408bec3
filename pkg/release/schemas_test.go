// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"errors"
	"io"
	"testing"

	helmkube "helm.sh/helm/v3/pkg/kube"

	"github.com/kubectl-aml/kubectl-aml/pkg/release/releasetest"
)

// bare is a cluster whose schemas cannot be read.
type bare struct{ *releasetest.Cluster }

func (b bare) Build(r io.Reader, validate bool) (helmkube.ResourceList, error) {
	if validate {
		return nil, errors.New("the schemas were asked for")
	}
	return b.Cluster.Build(r, validate)
}

func TestNothingReadsTheSchemasOfTheCluster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.client.opts.Backend.Kube = bare{w.cluster}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"install with a hook", func() error {
			_, err := w.apply(withHook(versions("blue=a:1")), ApplyOptions{})
			return err
		}},
		{"upgrade", func() error { _, err := w.apply(versions("blue=a:2"), ApplyOptions{}); return err }},
		{"dry run", func() error {
			_, err := w.apply(versions("blue=a:3"), ApplyOptions{DryRun: DryRunServer})
			return err
		}},
	} {
		if err := step.do(); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
	}
	w.mustApply(versions("blue=a:4"))
	if _, err := w.client.Undo(t.Context(), "iris", 0, ApplyOptions{}); err != nil {
		t.Errorf("undo: %v", err)
	}
}

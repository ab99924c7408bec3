// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// maxRecord is what a Secret may hold, less what the record may still grow by:
// its description, and the times of the hooks.
const maxRecord = corev1.MaxSecretSize - 8<<10

// records is Helm's storage, closed to writing once the Lease is lost: whoever
// took over must not find their records overwritten.
type records struct {
	driver.Driver
	fence func() error
	gate  *gate
	// holder is who makes the revisions.
	holder string
}

// Create writes a new revision. Helm does this before it touches any object, so
// a record that is too large is refused here, while nothing has happened yet.
func (r *records) Create(key string, release *helmrelease.Release) error {
	if err := r.fence(); err != nil {
		return err
	}
	if err := fits(release); err != nil {
		return err
	}
	sign(release, r.holder, r.gate.step != nil && r.gate.step())
	if r.gate.description != "" {
		release.Info.Description = r.gate.description
	}
	return r.Driver.Create(key, release)
}

// Update overwrites a revision. It leaves one alone that Helm's rollback calls
// superseded, though what should supersede it has failed.
func (r *records) Update(key string, release *helmrelease.Release) error {
	if err := r.fence(); err != nil {
		return err
	}
	if release.Info.Status == helmrelease.StatusSuperseded && r.gate.updateErr != nil {
		return nil
	}
	return r.Driver.Update(key, release)
}

// Delete removes a revision. When Helm makes room for a new one, the revision
// that somebody is about to go back to stays.
func (r *records) Delete(key string) (*helmrelease.Release, error) {
	if err := r.fence(); err != nil {
		return nil, err
	}
	if r.gate.keep > 0 && strings.HasSuffix(key, fmt.Sprintf(".v%d", r.gate.keep)) {
		return nil, nil //nolint:nilnil // Helm only looks at the error
	}
	return r.Driver.Delete(key)
}

// fits refuses a revision whose record would not go into a Secret. Most go into one
// as they are, so that packing them tells nothing.
func fits(release *helmrelease.Release) error {
	raw, err := json.Marshal(release)
	if err != nil || base64.StdEncoding.EncodedLen(len(raw)) <= maxRecord {
		return err
	}
	size, err := recordSize(raw)
	if err != nil || size <= maxRecord {
		return err
	}
	what := "the chart and its rendered objects are the largest part"
	if raw, err = json.Marshal(release.Config); err != nil {
		return err
	}
	if values, err := recordSize(raw); err == nil && values > size/2 {
		what = "the values are the largest part, most of it in " + largest(release.Config)
	}
	return &explained{is: ErrTooLarge, text: fmt.Sprintf(
		"revision %d of %q needs a record of %d KiB, and Kubernetes takes %d KiB: %s: move data into the image",
		release.Version, release.Name, size>>10, maxRecord>>10, what)}
}

// recordSize is the size of JSON as Helm encodes it.
func recordSize(raw []byte) (int, error) {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return 0, err
	}
	if _, err := w.Write(raw); err != nil {
		return 0, err
	}
	if err := w.Close(); err != nil {
		return 0, err
	}
	return base64.StdEncoding.EncodedLen(packed.Len()), nil
}

// largest is the path to what makes up most of the values, as deep as one key
// has more than half.
func largest(values map[string]any) string {
	path := ""
	for {
		total, most, size := 0, "", 0
		for key, value := range values {
			raw, _ := json.Marshal(value)
			total += len(raw)
			if len(raw) > size || len(raw) == size && key < most {
				most, size = key, len(raw)
			}
		}
		if size*2 <= total {
			return path
		}
		if path != "" {
			path += "."
		}
		path += most
		next, ok := values[most].(map[string]any)
		if !ok {
			return path
		}
		values = next
	}
}

// secrets gives Helm's storage a context, which it does not pass itself, and
// lists can leave out what nobody asked for.
type secrets struct {
	corev1client.SecretInterface
	ctx      context.Context // Helm's driver has no parameter for it
	selector string
}

func (s *secrets) Create(_ context.Context, o *corev1.Secret, opts metav1.CreateOptions) (*corev1.Secret, error) {
	return s.SecretInterface.Create(s.ctx, o, opts)
}

func (s *secrets) Update(_ context.Context, o *corev1.Secret, opts metav1.UpdateOptions) (*corev1.Secret, error) {
	return s.SecretInterface.Update(s.ctx, o, opts)
}

func (s *secrets) Delete(_ context.Context, name string, opts metav1.DeleteOptions) error {
	return s.SecretInterface.Delete(s.ctx, name, opts)
}

func (s *secrets) Get(_ context.Context, name string, opts metav1.GetOptions) (*corev1.Secret, error) {
	return s.SecretInterface.Get(s.ctx, name, opts)
}

func (s *secrets) List(_ context.Context, opts metav1.ListOptions) (*corev1.SecretList, error) {
	if s.selector != "" {
		opts.LabelSelector += "," + s.selector
	}
	return s.SecretInterface.List(s.ctx, opts)
}

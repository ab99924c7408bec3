// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package bundle

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// Pushed is what Push did.
type Pushed struct {
	// Sent and There count blobs: those that travelled, and those that the registry
	// had. Blobs of several repositories count for each.
	Sent, There int
	// Bytes are those that travelled.
	Bytes int64
	// Lists are the lists of packages that are attached to images there now,
	// REPOSITORY@sha256:DIGEST.
	Lists []string
	// Unattached is why other lists are not.
	Unattached []error
}

// At are the references that the images have in a registry, HOST[/PATH], by those
// that they have in the bundle: the same paths and digests, another host.
func (b *Bundle) At(registry string) (map[string]string, error) {
	at := map[string]string{}
	for _, t := range b.tops {
		repository, err := repositoryAt(registry, t.image.Reference)
		if err != nil {
			return nil, err
		}
		_, digest, _ := strings.Cut(t.image.Reference, "@")
		at[t.image.Reference] = repository + "@" + digest
	}
	return at, nil
}

func repositoryAt(registry, ref string) (string, error) {
	path, err := image.PathOf(ref)
	return strings.TrimSuffix(registry, "/") + "/" + path, err
}

// Push writes the images to a registry, HOST[/PATH], where At says. What the
// registry has is not sent again, and an upload that breaks off is taken up by
// blobs. An image is there when all of it is. Then the lists of packages are attached
// to it; it is as good without them, so what keeps them away is in Pushed. Errors are
// as in image.Package.
func (b *Bundle) Push(ctx context.Context, c *image.Courier, registry string) (Pushed, error) {
	var did Pushed
	for _, t := range b.tops {
		repository, err := repositoryAt(registry, t.image.Reference)
		if err != nil {
			return did, err
		}
		c.Begin(repository)
		if err := b.push(ctx, c, t, repository, "", &did); err != nil {
			return did, err
		}
		for _, l := range t.lists {
			if err := b.push(ctx, c, l, repository, "", &did); ctx.Err() != nil {
				return did, err
			} else if err != nil {
				did.Unattached = append(did.Unattached, err)
				continue
			}
			did.Lists = append(did.Lists, sibling(repository, l.manifests[0].descriptor.Digest))
		}
	}
	return did, nil
}

// PushChart writes the chart to a registry as "helm push" does, and returns what
// "helm install" is given: oci://HOST[/PATH]/NAME. Its tag is the chart's version.
func (b *Bundle) PushChart(ctx context.Context, c *image.Courier, registry string) (string, error) {
	repository := strings.TrimSuffix(registry, "/") + "/" + chartName
	c.Begin(repository)
	return "oci://" + repository, b.push(ctx, c, b.chart, repository, b.Chart, &Pushed{})
}

// uploads is how many blobs travel at the same time.
const uploads = 4

func (b *Bundle) push(ctx context.Context, c *image.Courier, t top, repository, tag string, did *Pushed) error {
	var mu sync.Mutex
	g, during := errgroup.WithContext(ctx)
	g.SetLimit(uploads)
	for _, d := range distinct(t.blobs) {
		g.Go(func() error {
			sent, err := c.Upload(during, repository, d.Digest, d.Size, func() (io.ReadCloser, error) {
				return io.NopCloser(b.reader(d.Digest)), nil
			})
			mu.Lock()
			defer mu.Unlock()
			if sent {
				did.Sent++
				did.Bytes += d.Size
			} else if err == nil {
				did.There++
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, m := range t.manifests {
		under := ""
		if i == len(t.manifests)-1 {
			under = tag
		}
		if err := c.Put(ctx, repository, under, m.descriptor.MediaType, m.raw); err != nil {
			return fmt.Errorf("image %s: %w", t.image.Reference, err)
		}
	}
	return nil
}

func distinct(blobs []v1.Descriptor) []v1.Descriptor {
	seen := map[v1.Hash]bool{}
	var out []v1.Descriptor
	for _, d := range blobs {
		if !seen[d.Digest] {
			seen[d.Digest] = true
			out = append(out, d)
		}
	}
	return out
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"context"
	"strings"
	"time"

	"github.com/moby/moby/client"
)

// ownImages is how the names of the images begin that an engine has of a build.
const ownImages = "kubectl-aml-build/"

// sweep removes what builds that were killed have left in the engine, if it was
// named more than a day ago by the engine's own clock. What a container uses stays,
// and so does what a user has tagged of it. It is of use to later builds only, so
// that it fails is no matter.
func (e *engine) sweep(ctx context.Context, r Request) {
	const old = 24 * time.Hour
	list, err := e.docker.ImageList(ctx, client.ImageListOptions{
		Filters: client.Filters{}.Add("reference", ownImages+"*")})
	if err != nil || e.now.IsZero() {
		return
	}
	for _, image := range list.Items {
		about, err := e.docker.ImageInspect(ctx, image.ID)
		named := about.Metadata.LastTagTime
		if err != nil || named.IsZero() || e.now.Sub(named) < old {
			continue
		}
		for _, name := range about.RepoTags {
			if !strings.HasPrefix(name, ownImages) {
				continue
			}
			if _, err := e.docker.ImageRemove(ctx, name, client.ImageRemoveOptions{PruneChildren: true}); err == nil {
				r.log("removed " + name + ", which a build that was killed had left in Docker's engine")
			}
		}
	}
}

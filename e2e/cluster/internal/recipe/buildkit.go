// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package recipe

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/image"
)

// builder is the user of BuildKit's image, as in BuildKit's own.
const builder = 1000

// BuildKit is BuildKit for a user who is not root, laid out as its own image
// of that kind.
func (b *Book) BuildKit() Image {
	return b.image("aml/buildkit", "", func(ctx context.Context) (v1.Image, error) {
		programs, err := b.programs(ctx, "buildkit", "github.com/moby/buildkit", "-ldflags", "-s -w")
		if err != nil {
			return nil, err
		}
		root, err := b.debian(ctx)
		if err != nil {
			return nil, err
		}
		from := []string{programs, filepath.Dir(string(root))}
		layer, err := b.layer(ctx, "buildkit: layer", from, func() (image.Files, error) {
			files, err := root.Files([]string{"uidmap", "runc", "dash", "coreutils"},
				[]string{"adduser", "debconf", "dpkg", "init-system-helpers", "libc-bin", "passwd", "perl-base", "tar"})
			if err != nil {
				return nil, err
			}
			bundle, err := image.Stat(filepath.Join(string(root), "etc/ssl/certs/ca-certificates.crt"))
			files["etc/ssl/certs/ca-certificates.crt"] = bundle
			for _, program := range []string{"buildkitd", "buildctl", "rootlesskit"} {
				files["usr/bin/"+program] = image.Program(filepath.Join(programs, program))
			}
			files["usr/bin/sh"] = image.Link("dash")
			grant(files, "usr/bin/newuidmap", setUID)
			grant(files, "usr/bin/newgidmap", setGID)
			return files.Add(account("user", builder)).Add(rootless()), err
		})
		if err != nil {
			return nil, err
		}
		return image.New(v1.Config{
			Env: []string{searchPath, "HOME=/home/user", "USER=user", "XDG_RUNTIME_DIR=/run/user/1000",
				"TMPDIR=/home/user/.local/tmp", "BUILDKIT_HOST=unix:///run/user/1000/buildkit/buildkitd.sock"},
			User:       fmt.Sprintf("%[1]d:%[1]d", builder),
			Entrypoint: []string{"rootlesskit", "buildkitd"},
		}, layer)
	})
}

// The capabilities to give ids away, as bits.
const setGID, setUID = 1 << 6, 1 << 7

// grant gives a program a capability in the place of root's id, with which it
// could not write the ids of a namespace that is its caller's: for that root
// needs CAP_SYS_ADMIN, which pods do not have.
func grant(files image.Files, program string, capability uint32) {
	file := files[program]
	file.Mode, file.Capabilities = 0o755, capability
	files[program] = file
}

// rootless is what its user needs: folders, and a range of ids to give away.
func rootless() image.Files {
	files := image.Files{
		"etc/subuid": image.Text("user:100000:65536\n"),
		"etc/subgid": image.Text("user:100000:65536\n"),
	}
	for _, name := range []string{"home/user", "home/user/.local", "home/user/.local/share",
		"home/user/.local/share/buildkit", "home/user/.local/tmp", "run/user/1000"} {
		files[name] = image.File{Mode: os.ModeDir | 0o755, UID: builder, GID: builder}
	}
	return files
}

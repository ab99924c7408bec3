// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// artifactScheme begins the path of a model that is an artifact of any repository.
const artifactScheme = "oci://"

// Artifact is the reference of a model that is an artifact, HOST/NAME:TAG or
// HOST/NAME@sha256:DIGEST. It is false for every other model.
func (m Model) Artifact() (string, bool) { return strings.CutPrefix(m.Path, artifactScheme) }

// parseArtifact reads oci://REFERENCE. Version 0 says that nobody named it: one
// that model register made has its own name and version.
func parseArtifact(text string) (Model, error) {
	ref, err := name.ParseReference(strings.TrimPrefix(text, artifactScheme), name.StrictValidation)
	if err != nil {
		return Model{}, fmt.Errorf("is no artifact: write %sHOST/NAME:TAG or %sHOST/NAME@sha256:DIGEST, in lower case",
			artifactScheme, artifactScheme)
	}
	return Model{Name: guessName(ref.Context().RepositoryStr()), Path: text}, nil
}

// pack is a model as the CNCF's specification has it, by whatever tool it was
// made. Its files become a layer as those of this machine do: under base in the
// model's folder.
type pack struct {
	model  Model
	from   name.Digest
	base   string
	single bool
	// inside is the folder in the archives that the files are in; empty for one
	// that was not made by model register.
	inside string
	layers []packLayer
}

// packLayer is one layer of a pack.
type packLayer struct {
	v1.Layer
	// file is the path of the only file; empty for an archive.
	file string
	// packed is "", "gzip" or "zstd".
	packed string
	size   int64
}

// The layers of the specification: what is in them, and how.
var packType = regexp.MustCompile(`^application/vnd\.cncf\.model\.(weight|weight\.config|doc|code|dataset)\.v1\.` +
	`(raw|tar|tar\+gzip|tar\+zstd)$`)

// artifactOf reads the manifest that an artifact's reference names. registered
// is set if it was made by model register.
func artifactOf(ctx context.Context, m Model, o Options) (p pack, registered *Registered, err error) {
	text, _ := m.Artifact()
	ref, err := parseImage(text, o)
	if err != nil {
		return pack{}, nil, err
	}
	opts := o.remoteOptions(ctx, newTransport(o))
	got, err := remote.Get(ref, opts...)
	if err != nil {
		return pack{}, nil, explain(err, "read", text)
	}
	p = pack{model: m, from: ref.Context().Digest(got.Digest.String())}
	manifest, err := v1.ParseManifest(bytes.NewReader(got.Manifest))
	if err != nil || !isModel(manifest) {
		return pack{}, nil, fmt.Errorf("%s%s is no model: name an artifact of the CNCF's model specification, "+
			"such as one that model register made", artifactScheme, text)
	}
	if r, err := readArtifact(got.Manifest, got.Digest, ref.Context().Name()); err == nil {
		registered, p.inside = &r, strings.TrimPrefix(r.Model().folder(), "/")
	}
	p.name(ref, registered)
	return p, registered, p.open(manifest, opts)
}

func isModel(m *v1.Manifest) bool {
	return m.ArtifactType == modelArtifact || m.Config.MediaType == modelConfig
}

// name gives the model what its artifact says of itself, unless somebody named it.
func (p *pack) name(ref name.Reference, registered *Registered) {
	p.base = guessName(ref.Context().RepositoryStr())
	p.model.Path = artifactScheme + p.from.Name()
	if p.model.Version > 0 {
		return
	}
	p.model.Version = 1
	if registered != nil {
		p.model.Name, p.model.Version = registered.Name, registered.Version
	} else if version, err := parseVersion(ref.Identifier()); err == nil {
		p.model.Version = version
	}
}

// open finds the layers and says how each is read.
func (p *pack) open(m *v1.Manifest, opts []remote.Option) error {
	for _, d := range m.Layers {
		kind := packType.FindStringSubmatch(string(d.MediaType))
		if kind == nil {
			return p.refuse("has a layer of the type %q", d.MediaType)
		}
		l := packLayer{size: d.Size}
		file, told := d.Annotations[filePath]
		if kind[2] == "raw" {
			if l.file = file; !fs.ValidPath(file) || file == "." {
				return p.refuse("has the file %q", file)
			}
		}
		_, l.packed, _ = strings.Cut(kind[2], "+")
		if len(m.Layers) == 1 && told && fs.ValidPath(file) && file != "." && path.Base(file) == file {
			p.base, p.single = file, true
		}
		var err error
		if l.Layer, err = remote.Layer(p.from.Context().Digest(d.Digest.String()), opts...); err != nil {
			return explain(err, "read", p.from.Name())
		}
		p.layers = append(p.layers, l)
	}
	if len(p.layers) == 0 {
		return p.refuse("has no files")
	}
	return nil
}

// refuse says what is wrong with the artifact.
func (p *pack) refuse(format string, args ...any) error {
	return &localError{fmt.Errorf("model %s is refused: %s "+format+": pack it anew", append([]any{
		p.model, p.model.Path}, args...)...)}
}

// write writes the files as one archive.
func (p *pack) write(w io.Writer) error {
	r := newRepacker(p, w)
	for _, l := range p.layers {
		if err := r.layer(l); err != nil {
			return explain(err, "read", p.from.Name())
		}
	}
	return r.close()
}

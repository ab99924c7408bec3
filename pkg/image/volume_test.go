// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func pushed(t *testing.T, ref string) v1.Image {
	t.Helper()
	return must(remote.Image(must(name.ParseReference(ref))))
}

// layersOf are the digests of an image's last n layers.
func layersOf(t *testing.T, ref string, n int) []string {
	t.Helper()
	var digests []string
	for _, l := range must(pushed(t, ref).Manifest()).Layers {
		digests = append(digests, l.Digest.String())
	}
	return digests[len(digests)-n:]
}

func TestModelsInAVolumeHaveAnImageOfTheSameLayers(t *testing.T) {
	t.Parallel()
	for _, base := range []types.MediaType{types.DockerManifestSchema2, types.OCIManifestSchema1} {
		t.Run(string(base), func(t *testing.T) {
			t.Parallel()
			reg := newRegistry(t)
			dir, src := project(t)
			src.Environment = reg.push(t, "env:1", mutate.MediaType(empty.Image, base))
			src.Models = append(src.Models, Model{"bert", 2, filepath.Join(dir, "models/bert")})
			whole := must(Package(t.Context(), src, reg.host+"/x", options()))
			reg.uploads()
			src.ModelVolume = true
			told := must(Describe(t.Context(), src, reg.host+"/x", options()))
			equal(t, "uploads of Describe", reg.uploads(), 0)
			got := must(Package(t.Context(), src, reg.host+"/x", options()))
			// The manifests aside, only the two configs are new.
			equal(t, "uploads", []int{got.Uploaded, reg.uploads()}, []int{2, 2})
			equal(t, "told", []string{told.Reference, told.ModelImage}, []string{got.Reference, got.ModelImage})
			equal(t, "layers", append(layersOf(t, got.ModelImage, 2), layersOf(t, got.Reference, 1)...), layersOf(t, whole.Reference, 3))
			equal(t, "told of the version", []any{got.ModelDir, got.Models, got.EntryScript},
				[]any{whole.ModelDir, whole.Models, whole.EntryScript})

			models := pushed(t, got.ModelImage)
			manifest, config := must(models.Manifest()), must(models.ConfigFile())
			equal(t, "types", []any{manifest.MediaType, manifest.Config.MediaType, manifest.Layers[0].MediaType, len(manifest.Layers)},
				[]any{types.OCIManifestSchema1, types.OCIConfigJSON, types.OCIUncompressedLayer, 2})
			equal(t, "platform", config.OS+"/"+config.Architecture, "linux/amd64")
			equal(t, "diff ids", config.RootFS.DiffIDs, []v1.Hash{manifest.Layers[0].Digest, manifest.Layers[1].Digest})
			env := must(pushed(t, got.Reference).ConfigFile()).Config.Env
			if slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, "AZUREML_MODEL_DIR=") }) {
				t.Errorf("the image without models says where they are: %s", env)
			}
		})
	}
}

func TestAModelAndItsCodeChangeOnlyTheImagesTheyAreIn(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	dir, src := project(t)
	src.Environment, src.ModelVolume = reg.environment(t), true
	pack := func() Image { return must(Package(t.Context(), src, reg.host+"/x", options())) }
	first := pack()
	equal(t, "the same again", []string{pack().Reference, pack().ModelImage}, []string{first.Reference, first.ModelImage})

	must(0, os.WriteFile(filepath.Join(dir, "src/score.py"), []byte("def run(data): return 1"), 0o600))
	reg.uploads()
	code := pack()
	equal(t, "new code", []bool{code.Reference == first.Reference, code.ModelImage == first.ModelImage}, []bool{false, true})
	equal(t, "sent for new code", []any{reg.uploads(), code.Layers[0].Uploaded, code.Layers[1].Uploaded}, []any{2, false, true})

	must(0, os.WriteFile(filepath.Join(dir, "models/model.pkl"), []byte("other weights"), 0o600))
	model := pack()
	equal(t, "a new model", []bool{model.Reference == code.Reference, model.ModelImage == code.ModelImage}, []bool{true, false})

	src.Models = nil
	without := pack()
	equal(t, "without models", []string{without.Reference, without.ModelImage, without.ModelDir}, []string{code.Reference, "", ""})
}

func TestARegisteredModelIsMountedIntoItsImage(t *testing.T) {
	t.Parallel()
	reg, models, dir := shop(t)
	registered := register(t, models, "sentiment", filepath.Join(dir, "bert"))
	src := Source{Environment: reg.environment(t), Registry: models.Registry, ModelVolume: true,
		Models: []Model{{Name: "sentiment"}}}
	asked := reg.mountable("x", false)
	got, err := Package(t.Context(), src, reg.host+"/x", options())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "layer", layersOf(t, got.ModelImage, 1), []string{registered.layer.Digest.String()})
	equal(t, "mounted, and sent", []any{asked.Load(), got.Layers[0].Uploaded}, []any{1, false})
}

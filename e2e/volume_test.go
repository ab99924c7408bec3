// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// The example runs as it stands: a model in a volume is to its script what one in
// the image is, and is not in the image of the version.
func TestAModelInAVolumeIsWhatItIsInTheImage(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	folder := filepath.Join(t.TempDir(), "model-volume")
	must(t, os.CopyFS(folder, os.DirFS("../examples/model-volume")))
	c := exec.CommandContext(t.Context(), "sh", "mount.sh")
	c.Dir = folder
	c.Env = append(os.Environ(), kubeconfigVar+"="+s.kubeconfig, "HOME="+t.TempDir(),
		"PATH="+kubectlWithPlugin(t)+string(os.PathListSeparator)+os.Getenv("PATH"),
		// The registry is the namespace's own, so that versions count from 1.
		registryVar+"="+os.Getenv(registryVar)+"/"+s.namespace)
	var out, talk bytes.Buffer
	c.Stdout, c.Stderr = &out, &talk
	if err := c.Run(); err != nil {
		t.Fatalf("the script: %v\n%s\n%s", err, &out, &talk)
	}
	const rest = `have a model of the sky in /var/azureml-app/azureml-models/mood/1, which is read-only."`
	want := strings.Join([]string{"mood:1", "endpoint/moods created", `"I ` + rest, "endpoint/moods version/main updated",
		`"I still ` + rest, "endpoint/moods version/main updated", `"I still ` + rest, "endpoint/moods deleted", ""}, "\n")
	if out.String() != want {
		t.Errorf("the script answered\n%s\nwant\n%s\n%s", &out, want, &talk)
	}
	volumes := regexp.MustCompile(`image: the models are mounted from (\S+)`).FindAllStringSubmatch(talk.String(), -1)
	images := regexp.MustCompile(`image: (\S+) \((\d+) blobs sent`).FindAllStringSubmatch(talk.String(), -1)
	if len(volumes) != 1 || len(images) != 3 {
		t.Fatalf("the script told of images %v and volumes %v:\n%s", images, volumes, &talk)
	}
	// Two configs and the code; the code and its config; a config: never the model.
	if sent := images[0][2] + images[1][2] + images[2][2]; sent != "321" {
		t.Errorf("blobs were sent in threes: %s:\n%s", sent, &talk)
	}
	model := blobs(t, volumes[0][1])
	if first, updated, whole := blobs(t, images[0][1]), blobs(t, images[1][1]), blobs(t, images[2][1]); len(model) != 1 ||
		slices.Contains(first, model[0]) || slices.Contains(updated, model[0]) || !slices.Contains(whole, model[0]) {
		t.Errorf("the model is %v, the images are %v, %v and %v", model, first, updated, whole)
	}
}

// blobs are the digests of an image's layers.
func blobs(t *testing.T, image string) []string {
	t.Helper()
	ref, err := name.ParseReference(image)
	must(t, err)
	img, err := remote.Image(ref)
	must(t, err)
	manifest, err := img.Manifest()
	must(t, err)
	var all []string
	for _, l := range manifest.Layers {
		all = append(all, l.Digest.String())
	}
	return all
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/image"
	"github.com/kubectl-aml/kubectl-aml/e2e/cluster/internal/recipe"
)

// What is asked of the registry's disk.
const (
	// lookForImages prints the runs that have images, and the tags older than a day.
	lookForImages = `for run in ` + runsPath + `/` + runPrefix + `*; do [ ! -d "$run" ] || echo "$run"; done
find . -ignore_readdir_race -path '*/_manifests/tags/*/current/link' -mmin +1440`
	// waitForWriters waits until nothing was written for a moment. If that takes too
	// long, it prints a file that was.
	waitForWriters = `for second in $(seq 30); do
  written=$(find . -ignore_readdir_race -type f -newermt '15 seconds ago' -print -quit)
  [ -n "$written" ] || exit 0
  sleep 1
done
echo "$written"`
)

// sweepRegistry deletes the images of runs that are over, and those of the cluster's
// own that were replaced and that nothing in the cluster names. The layers that then
// belong to no image go when nobody pushes. All other images stay.
func (s *session) sweepRegistry(ctx context.Context, c *Cluster, others runs) (gone, error) {
	g := gone{runs: others, images: map[string]bool{}}
	found, err := s.onDisk(ctx, lookForImages)
	if err != nil {
		return g, err
	}
	own, err := s.ownImages()
	if err != nil {
		return g, err
	}
	folders, tags := toDelete(found, others, own)
	if len(folders)+len(tags) > 0 {
		// The next run knows of it if this one is cut off.
		if err := os.WriteFile(s.garbage(), nil, 0o600); err != nil {
			return g, err
		}
	}
	if len(folders) > 0 {
		if _, err := s.onDisk(ctx, "rm -rf "+strings.Join(folders, " ")); err != nil {
			return g, err
		}
	}
	if err := s.deleteReplaced(ctx, c, own, tags, g.images); err != nil || len(others) > 0 {
		return g, err
	}
	return g, s.collect(ctx)
}

// onDisk runs a shell script where the registry keeps its repositories, in the
// image of a node. There is none where nothing was ever pushed.
func (s *session) onDisk(ctx context.Context, script string) (string, error) {
	st, _ := s.load()
	return s.docker.Do(ctx, "run", "--rm", "--network", "none", "--volumes-from", s.registryName(), "--entrypoint", "sh",
		st.NodeImage, "-euc", "cd /var/lib/registry/docker/registry/v2/repositories || exit 0\n"+script)
}

// ownImages are the images that this package pushes.
func (s *session) ownImages() ([]recipe.Image, error) {
	if !s.published {
		b := s.book
		images, err := b.ControlPlane()
		return append(images, b.Node(), b.MetricsServer(), b.Router(), b.Limiter(), b.BuildKit(), b.Python(), b.Gateway(),
			b.Environment(recipe.ScoringPart), b.Environment(recipe.AzureMLPart)), err
	}
	var images []recipe.Image
	for _, part := range []string{recipe.ScoringPart, recipe.AzureMLPart} {
		_, key, err := s.book.EnvironmentContext(part)
		if err != nil {
			return nil, err
		}
		images = append(images, recipe.Image{Repository: "aml/" + part, Key: key})
	}
	return images, nil
}

// toDelete are, of what lookForImages found, the folders of runs that are over and
// the tags, REPOSITORY:TAG, that images of ours no longer have; none of these while
// another run is under way, which may name them.
func toDelete(found string, others runs, own []recipe.Image) (folders, tags []string) {
	current := map[string]recipe.Image{}
	for _, made := range own {
		current[made.Repository] = made
	}
	for line := range strings.Lines(found) {
		line = strings.TrimSpace(line)
		if run, ok := strings.CutPrefix(line, runsPath+"/"); ok {
			if others.over(run) {
				folders = append(folders, line)
			}
			continue
		}
		repository, tag, _ := strings.Cut(strings.TrimPrefix(line, "./"), "/_manifests/tags/")
		tag = strings.TrimSuffix(tag, "/current/link")
		if made, ours := current[repository]; ours && len(others) == 0 && tag != made.Key && tag != made.Tag {
			tags = append(tags, repository+":"+tag)
		}
	}
	return folders, tags
}

// deleteReplaced deletes the images with these tags, and says which they were.
func (s *session) deleteReplaced(
	ctx context.Context, c *Cluster, own []recipe.Image, tags []string, deleted map[string]bool,
) error {
	if len(tags) == 0 {
		return nil
	}
	kept, err := c.named(ctx)
	if err != nil {
		return err
	}
	st, _ := s.load()
	_, node, _ := strings.Cut(st.NodeImage, "@")
	kept[node] = true
	for _, made := range own {
		digest, err := s.digestOf(ctx, made)
		if err != nil {
			return err
		}
		kept[digest] = true
	}
	for _, tag := range tags {
		ref := s.registryHost() + "/" + tag
		digest, err := image.Digest(ctx, ref)
		if err != nil {
			return err
		}
		if digest == "" || kept[digest] {
			continue
		}
		repository, _, _ := strings.Cut(tag, ":")
		byDigest := s.registryHost() + "/" + repository + "@" + digest
		if err := deleteImage(ctx, byDigest); err != nil {
			return err
		}
		deleted[ref], deleted[byDigest] = true, true
	}
	return nil
}

// deleteImage deletes what a registry has under a reference by digest, with all its tags.
func deleteImage(ctx context.Context, ref string) error {
	parsed, err := name.NewDigest(ref)
	if err != nil {
		return err
	}
	if err := remote.Delete(parsed, remote.WithContext(ctx)); err != nil {
		return fmt.Errorf("delete %s: %w", ref, err)
	}
	return nil
}

// digestOf is the digest of an image of ours; "" if the registry does not have it.
func (s *session) digestOf(ctx context.Context, made recipe.Image) (string, error) {
	return image.Digest(ctx, s.registryHost()+"/"+made.Repository+":"+made.Key)
}

// named are the digests that pods name, the revisions that Helm keeps, and the
// variables of this process.
func (c *Cluster) named(ctx context.Context) (map[string]bool, error) {
	digests := map[string]bool{}
	find := func(text string) {
		for _, digest := range regexp.MustCompile(`sha256:[0-9a-f]{64}`).FindAllString(text, -1) {
			digests[digest] = true
		}
	}
	find(strings.Join(os.Environ(), "\n"))
	pods, err := c.client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(pods.Items)
	if err != nil {
		return nil, err
	}
	find(string(text))
	ofHelm := metav1.ListOptions{LabelSelector: "owner=helm"}
	revisions, err := c.client.CoreV1().Secrets(metav1.NamespaceAll).List(ctx, ofHelm)
	if err != nil {
		return nil, err
	}
	for _, secret := range revisions.Items {
		text, err := revision(secret)
		if err != nil {
			return nil, fmt.Errorf("revision %s in namespace %s: %w", secret.Name, secret.Namespace, err)
		}
		find(text)
	}
	return digests, nil
}

// revision is the text of what Helm keeps in a Secret: JSON, compressed, in base64.
func revision(secret corev1.Secret) (string, error) {
	packed, err := base64.StdEncoding.DecodeString(string(secret.Data["release"]))
	if err != nil {
		return "", err
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(unpacked)
	return string(text), err
}

// garbage is a file that is there while the registry may have layers of no image.
func (s *session) garbage() string {
	return filepath.Join(s.folder(), "garbage")
}

// collect has the registry delete its layers of no image, if there may be any and
// nobody pushes: a layer that was just pushed belongs to no image yet.
func (s *session) collect(ctx context.Context) error {
	if _, err := os.Stat(s.garbage()); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	written, err := s.onDisk(ctx, waitForWriters)
	if err != nil {
		return err
	}
	if written != "" {
		s.store.Say("registry %s … in use, gives room back another time", s.registryHost())
		return nil
	}
	what := "registry " + s.registryHost() + ": layers of no image"
	if err := s.store.Watch(ctx, what, "deleted", s.collectNow); err != nil {
		return err
	}
	return os.Remove(s.garbage())
}

// collectNow does it, as the registry's manual wants it: while it does not run.
func (s *session) collectNow(ctx context.Context, _ io.Writer) error {
	from, err := s.docker.Do(ctx, "inspect", "--format", "{{.Image}}", s.registryName())
	if err != nil {
		return err
	}
	if _, err = s.docker.Do(ctx, "stop", s.registryName()); err == nil {
		// Untagged images are no garbage: endpoints name theirs by digest.
		_, err = s.docker.Do(ctx, "run", "--rm", "--name", s.collectorName(), "--network", "none",
			"--volumes-from", s.registryName(), "--entrypoint", "registry", from,
			"garbage-collect", "--quiet", "/etc/distribution/config.yml")
	}
	// Also if ctx has ended: the engine may still be at work, and stop the registry.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	return errors.Join(err, s.removeContainer(ctx, s.collectorName()), s.startAgain(ctx))
}

// startAgain starts the registry and waits until it answers.
func (s *session) startAgain(ctx context.Context) error {
	if _, err := s.docker.Do(ctx, "start", s.registryName()); err != nil {
		return err
	}
	return poll(ctx, time.Minute, s.registryAnswers)
}

// collectorName is the container's that deletes layers of the registry.
func (s *session) collectorName() string {
	return s.registryName() + "-collector"
}

// removeContainer removes a container if it is there.
func (s *session) removeContainer(ctx context.Context, name string) error {
	_, err := s.docker.Do(ctx, "rm", "--force", name)
	if err != nil && strings.Contains(err.Error(), "No such") {
		return nil
	}
	return err
}

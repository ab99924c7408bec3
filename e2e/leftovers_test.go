// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"crypto/rand"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster"
)

// What a run that was killed has left is gone when the next one begins, which takes
// nothing of this one beside it.
func TestAKilledRunLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	killed := "aml-run-" + strings.ToLower(rand.Text()[:8])
	namespace, err := s.admin.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: spacePrefix, Labels: map[string]string{cluster.RunLabel: killed}}}, metav1.CreateOptions{})
	must(t, err)
	image, err := name.ParseReference(filepath.Dir(os.Getenv(registryVar)) + "/" + killed + "/echo:1")
	must(t, err)
	small, err := random.Image(100, 1)
	must(t, err)
	must(t, remote.Write(image, small, remote.WithContext(t.Context())))
	node, err := imageOf("label=io.x-k8s.kind.role=control-plane")
	must(t, err)
	container, err := engine("create", "--label", cluster.RunLabel+"="+killed, node)
	must(t, err)
	folder := filepath.Join(filepath.Dir(os.Getenv("TMPDIR")), killed)
	must(t, os.MkdirAll(filepath.Join(folder, "model"), 0o755))

	next, err := cluster.Begin(t.Context(), cluster.Options{Progress: os.Stderr})
	must(t, err)
	defer func() { must(t, next.End()) }()
	if _, err := s.admin.CoreV1().Namespaces().Get(t.Context(), namespace.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("namespace %s: %v", namespace.Name, err)
	}
	if _, err := remote.Head(image); status(err) != http.StatusNotFound {
		t.Errorf("image %s: %v", image, err)
	}
	if left, err := engine("ps", "--all", "--quiet", "--filter", "id="+container); err != nil || left != "" {
		t.Errorf("container %s: %v", left, err)
	}
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("folder %s: %v", folder, err)
	}
	s.echo("blue", "sky") // this run's namespace, images and program
}

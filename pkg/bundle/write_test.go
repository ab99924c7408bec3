// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package bundle

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

func TestAFileThatIsThereStays(t *testing.T) {
	t.Parallel()
	s, names := stocked(t)
	e := s.endpoint(names, "")
	file := filepath.Join(t.TempDir(), "b.tar")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(t.Context(), s.courier(), e, file, false); err == nil ||
		err.Error() != file+" is there already: move it away, or give --overwrite" {
		t.Errorf("got %v", err)
	}
	if got := string(must(os.ReadFile(file))); got != "mine" {
		t.Errorf("it holds %q", got)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(t.Context(), s.courier(), e, file, true); err != nil {
		t.Error(err)
	}
	opened(t, file)
	if mode := must(os.Stat(file)).Mode(); mode != 0o600 { // variables may be secret
		t.Errorf("others may read it: %s", mode)
	}
}

// What Open would refuse is not written.
func TestValuesThatAreTooLargeForABundle(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	e := s.endpoint(nil, "")
	e.Values = make([]byte, mostValues+1)
	dir := t.TempDir()
	_, err := Write(t.Context(), s.courier(), e, filepath.Join(dir, "b.tar"), false)
	const want = "the values of endpoint diabetes have 1048577 bytes, and the most is 1048576: shorten the variables and " +
		"descriptions in them"
	if err == nil || err.Error() != want || len(must(os.ReadDir(dir))) > 0 {
		t.Errorf("got %v, want %s", err, want)
	}
}

// What breaks off is read again; what stays broken leaves no file, whole or half.
func TestRegistriesThatFailWhileTheFileIsWritten(t *testing.T) {
	t.Parallel()
	s, names := stocked(t)
	e := s.endpoint(names, "")
	for what, c := range map[string]struct {
		times int
		spoil func(http.ResponseWriter, *http.Request)
		want  string
	}{
		"breaks off thrice": {3, s.cutOff, ""},
		"breaks off always": {1000, s.cutOff, "broke the connection off: try again; if it stays, look at the registry's logs"},
		"has lost it": {1000, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
			"there is no such image (404): correct the name and the tag, or push the image first"},
		"lies": {1000, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 100)) }, "cannot read "},
	} {
		var mu sync.Mutex
		left := c.times
		s.spoils(func(w http.ResponseWriter, r *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") || left == 0 {
				return false
			}
			left--
			c.spoil(w, r)
			return true
		})
		dir := t.TempDir()
		_, err := Write(t.Context(), s.courier(), e, filepath.Join(dir, "b.tar"), false)
		if c.want == "" != (err == nil) || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: got %v, want %s", what, err, c.want)
		}
		want := 0
		if err == nil {
			want = 1
		}
		if files := must(os.ReadDir(dir)); len(files) != want {
			t.Errorf("%s: it left %v", what, files)
		}
	}
}

// cutOff answers with less than it says.
func (s *shop) cutOff(w http.ResponseWriter, r *http.Request) {
	whole := httptest.NewRecorder()
	s.next.ServeHTTP(whole, r)
	w.Header().Set("Content-Length", strconv.Itoa(whole.Body.Len()))
	_, _ = w.Write(whole.Body.Bytes()[:whole.Body.Len()/2])
}

func TestAnInterruptedWriteLeavesNothing(t *testing.T) {
	t.Parallel()
	s, names := stocked(t)
	e := s.endpoint(names, "")
	ctx, cancel := context.WithCancel(t.Context())
	s.spoils(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/blobs/") {
			cancel()
			<-r.Context().Done()
		}
		return false
	})
	dir := t.TempDir()
	_, err := Write(ctx, must(image.NewCourier(ctx, image.Options{})), e, filepath.Join(dir, "b.tar"), false)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if files := must(os.ReadDir(dir)); len(files) > 0 {
		t.Errorf("it left %v", files)
	}
}

func TestPlacesThatCannotBeWrittenTo(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	e := s.endpoint(nil, "")
	dir := t.TempDir()
	for file, want := range map[string]string{
		filepath.Join(dir, "none", "b.tar"): filepath.Join(dir, "none", "b.tar") + " cannot be written: no such file or directory",
		"/dev/full/b.tar":                   "/dev/full/b.tar cannot be written: not a directory",
		dir:                                 dir + " is there already and is no file: name another",
	} {
		if _, err := Write(t.Context(), s.courier(), e, file, true); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if err := Free(file, true); err == nil || err.Error() != want {
			t.Errorf("before the images are read: got %v, want %s", err, want)
		}
	}
}

// files are those of a tar.
func files(t *testing.T, file string) (names []string, texts map[string][]byte) {
	t.Helper()
	texts = map[string][]byte{}
	for archive := tar.NewReader(bytes.NewReader(must(os.ReadFile(file)))); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return names, texts
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		texts[h.Name] = must(io.ReadAll(archive))
	}
}

func TestImagesThatShareBlobsHaveThemOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	base := forPlatform(t, "linux/amd64")
	extended := must(mutate.AppendLayers(base, must(random.Layer(64, "application/vnd.oci.image.layer.v1.tar+gzip"))))
	names := []string{s.push("a:1", base), s.push("b:1", base), s.push("c:1", extended)}
	list, _ := files(t, s.write(names))
	seen := map[string]bool{}
	for _, n := range list {
		if seen[n] {
			t.Errorf("%s is there twice", n)
		}
		seen[n] = true
	}
	// 2 manifests, 2 configs, 3 layers; chart and values with manifest, config and content each.
	if want := 2 + 2 + 2 + 3 + 6; len(list) != want {
		t.Errorf("%d files, want %d: %s", len(list), want, fmt.Sprint(list))
	}
}

// A registry that closes the connection before it says anything is asked again.
func TestABlobThatDoesNotOpenIsOpenedAgain(t *testing.T) {
	t.Parallel()
	tries := 0
	s := &steady{ctx: t.Context(), open: func() (io.ReadCloser, error) {
		if tries++; tries < mostTries {
			return nil, fmt.Errorf("no answer: %w", io.EOF)
		}
		return io.NopCloser(strings.NewReader("blob")), nil
	}}
	if got, err := io.ReadAll(s); err != nil || string(got) != "blob" {
		t.Errorf("read %q, %v", got, err)
	}
}

// Bytes that come together with an error do not have it tried for ever.
func TestABlobIsNotOpenedForEver(t *testing.T) {
	t.Parallel()
	tries, cut := 0, errors.New("cut off")
	s := &steady{ctx: t.Context(), open: func() (io.ReadCloser, error) {
		if tries++; tries == 10*mostTries {
			return nil, io.EOF
		}
		return io.NopCloser(iotest.DataErrReader(io.MultiReader(strings.NewReader(strings.Repeat("b", tries)), iotest.ErrReader(cut)))), nil
	}}
	if got, err := io.ReadAll(s); !errors.Is(err, cut) || string(got) != "bbbb" || tries != mostTries {
		t.Errorf("read %q, %v, in %d tries", got, err, tries)
	}
}

// What a killed process left beside the file goes with the next one that writes it,
// also if that comes at once.
func TestPartsOfKilledProcessesAreRemoved(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	dir := t.TempDir()
	id := strings.Repeat("A", 25)
	for _, name := range []string{".b.tar-" + id + "1", ".b.tar-" + id + "2", ".b.tar-mine", ".c.tar-" + id + "1"} {
		must(0, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	must(0, os.Mkdir(filepath.Join(dir, ".b.tar-"+id+"3"), 0o700))
	lock := lockOf(filepath.Join(dir, ".b.tar-"+id+"2"))
	if !must(lock.TryLock()) {
		t.Fatal("cannot lock")
	}
	defer func() { _ = lock.Close() }()
	must(Write(t.Context(), s.courier(), s.endpoint(nil, ""), filepath.Join(dir, "b.tar"), false))
	var left []string
	for _, e := range must(os.ReadDir(dir)) {
		left = append(left, e.Name())
	}
	want := []string{".b.tar-" + id + "2", ".b.tar-" + id + "3", ".b.tar-mine", ".c.tar-" + id + "1", "b.tar"}
	if !slices.Equal(left, want) {
		t.Errorf("there are %q, want %q", left, want)
	}
}

// Who finds a part before it is locked takes it for one that was left: then it is made
// again, under another name.
func TestAPartThatWasTakenAwayIsMadeAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := must(openPart(filepath.Join(dir, ".b.tar-x")))
	removeLeft(p.Name())
	if p.keeps() {
		t.Error("it is not there, and is kept")
	}
	must(0, p.Close())
	p = must(openPart(filepath.Join(dir, ".b.tar-x")))
	held := lockOf(p.Name())
	must(held.TryLock())
	if p.keeps() {
		t.Error("another process is about to remove it, and it is kept")
	}
	must(0, errors.Join(held.Close(), p.Close()))
	p = must(openPart(filepath.Join(dir, ".b.tar-y")))
	if !p.keeps() {
		t.Error("it is not kept")
	}
	if removeLeft(p.Name()); !p.keeps() {
		t.Error("it went while its process lives")
	}
	must(0, p.Close())
}

// Of several who write the same file at once, one does, and the others are told.
func TestTwoFilesOfOneName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for round := range 100 {
		file := filepath.Join(dir, strconv.Itoa(round))
		var writers sync.WaitGroup
		var mu sync.Mutex
		refused := 0
		for writer := range 4 {
			part := fmt.Sprintf("%s-%d", file, writer)
			must(0, os.WriteFile(part, nil, 0o600))
			writers.Go(func() {
				if err := appear(part, file, false); err != nil {
					mu.Lock()
					defer mu.Unlock()
					if refused++; err.Error() != file+" is there already: move it away, or give --overwrite" {
						t.Error(err)
					}
				}
			})
		}
		writers.Wait()
		if refused != 3 {
			t.Fatalf("%d of 4 were refused", refused)
		}
	}
}

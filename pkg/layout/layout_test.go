// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package layout

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	ggcrlayout "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	clocktesting "k8s.io/utils/clock/testing"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/content/oci"
)

// nobody is there for requests to other registries.
type nobody struct{}

func (nobody) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("not here") }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) //nolint:forbidigo // only what a test sets up; the trace names the line
	}
	return v
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

func newLayout(t *testing.T) (*Layout, *clocktesting.FakePassiveClock) {
	t.Helper()
	l := must(Open(filepath.Join(t.TempDir(), "images")))
	clock := clocktesting.NewFakePassiveClock(l.clock.Now())
	l.clock = clock
	return l, clock
}

func (l *Layout) remote(t *testing.T) []remote.Option {
	t.Helper()
	return []remote.Option{remote.WithTransport(l.Transport(nobody{})), remote.WithContext(t.Context())}
}

func ref(path string) name.Reference { return must(name.ParseReference(Host + "/" + path)) }

// do sends one request, with headers as KEY: VALUE.
func (l *Layout) do(t *testing.T, method, path, body string, headers ...string) (told, string, error) {
	t.Helper()
	var got strings.Builder
	a, err := l.stream(t, method, path, strings.NewReader(body), &got, headers...)
	return a, got.String(), err
}

func (l *Layout) stream(t *testing.T, method, path string, body io.Reader, got io.Writer, headers ...string) (told, error) {
	t.Helper()
	r := must(http.NewRequestWithContext(t.Context(), method, "http://"+Host+path, body))
	for _, h := range headers {
		key, value, _ := strings.Cut(h, ": ")
		r.Header.Set(key, value)
	}
	a, err := l.Transport(nobody{}).RoundTrip(r)
	if err != nil {
		return told{}, err
	}
	defer func() { must(0, a.Body.Close()) }()
	must(io.Copy(got, a.Body))
	return told{a.StatusCode, a.Header}, nil
}

// told is an answer whose body was read.
type told struct {
	StatusCode int
	Header     http.Header
}

// blobFiles are the blobs on the disk.
func (l *Layout) blobFiles() []string {
	var names []string
	for _, f := range must(os.ReadDir(l.path(blobFolder))) {
		names = append(names, f.Name())
	}
	return names
}

func TestImagesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	l, _ := newLayout(t)
	img := must(random.Image(1000, 3))
	must(0, remote.Write(ref("ml/env:1"), img, l.remote(t)...))
	digest := must(img.Digest())
	for _, r := range []name.Reference{ref("ml/env:1"), ref("ml/env@" + digest.String())} {
		got := must(remote.Image(r, l.remote(t)...))
		must(0, validate.Image(got))
		equal(t, "digest", must(got.Digest()), digest)
	}
	many := must(random.Index(100, 2, 3))
	must(0, remote.WriteIndex(ref("ml/many:1"), many, l.remote(t)...))
	must(0, validate.Index(must(remote.Index(ref("ml/many:1"), l.remote(t)...))))
	equal(t, "repositories", must(remote.Catalog(t.Context(), ref("x").Context().Registry, l.remote(t)...)),
		"[ml/env ml/many]")
	_, err := remote.Image(ref("ml/other@"+digest.String()), l.remote(t)...)
	if err == nil || !strings.Contains(err.Error(), "MANIFEST_UNKNOWN") {
		t.Errorf("read from a repository that it is not in: %v", err)
	}
}

// Other tools read the folder, and what they wrote stays.
func TestTheFolderIsAnImageLayout(t *testing.T) {
	t.Parallel()
	l, clock := newLayout(t)
	path := must(ggcrlayout.Write(l.Folder(), empty.Index))
	theirs := must(random.Image(100, 1))
	must(0, path.AppendImage(theirs, ggcrlayout.WithAnnotations(map[string]string{refName: "theirs"})))
	l = must(Open(l.Folder()))
	l.clock = clock
	img := must(random.Image(1000, 2))
	must(0, remote.Write(ref("ml/env:1"), img, l.remote(t)...))
	second := must(mutate.Annotations(img, map[string]string{"a": "b"}).(v1.Image), nil)
	must(0, remote.Write(ref("ml/env@"+must(second.Digest()).String()), second, l.remote(t)...))

	manifest := must(must(path.ImageIndex()).IndexManifest())
	var names []string
	for _, d := range manifest.Manifests {
		names = append(names, d.Annotations[refName])
		must(0, validate.Image(must(path.Image(d.Digest))))
	}
	equal(t, "names", names, []string{"theirs", "ml/env:1", "ml/env@" + must(second.Digest()).String()})

	store := must(oci.New(l.Folder()))
	copied := memory.New()
	for _, name := range []string{"ml/env:1", "ml/env@" + must(second.Digest()).String(), "theirs"} {
		if _, err := oras.Copy(t.Context(), store, name, copied, name, oras.DefaultCopyOptions); err != nil {
			t.Errorf("oras: %s: %v", name, err)
		}
	}

	must(0, remote.Delete(ref("ml/env@"+must(img.Digest()).String()), l.remote(t)...))
	clock.SetTime(clock.Now().Add(2 * grace))
	must(0, remote.Delete(ref("ml/env@"+must(second.Digest()).String()), l.remote(t)...))
	must(0, validate.Image(must(path.Image(must(theirs.Digest())))))
	equal(t, "blobs that stay", len(l.blobFiles()), 3)
}

func TestDeletionLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	l, clock := newLayout(t)
	base := must(random.Image(1000, 2))
	next := must(mutate.AppendLayers(base, must(random.Layer(500, "application/vnd.oci.image.layer.v1.tar"))))
	must(0, remote.Write(ref("ml/base:1"), base, l.remote(t)...))
	must(0, remote.Write(ref("ml/next:1"), next, l.remote(t)...))
	must(0, remote.Tag(ref("ml/next:latest").(name.Tag), next, l.remote(t)...))
	equal(t, "blobs", len(l.blobFiles()), 2+1+1+1+1+1)

	// A tag is not the manifest.
	must(0, remote.Delete(ref("ml/next:1"), l.remote(t)...))
	must(0, remote.Delete(ref("ml/next:latest"), l.remote(t)...))
	digest := must(next.Digest()).String()
	must(remote.Get(ref("ml/next@"+digest), l.remote(t)...))
	equal(t, "tags", must(remote.List(ref("ml/next").Context(), l.remote(t)...)), "[]")

	clock.SetTime(clock.Now().Add(2 * grace))
	must(0, remote.Delete(ref("ml/next@"+digest), l.remote(t)...))
	equal(t, "blobs without the second image", len(l.blobFiles()), 4)
	must(0, validate.Image(must(remote.Image(ref("ml/base:1"), l.remote(t)...))))
	must(0, remote.Delete(ref("ml/base@"+must(base.Digest()).String()), l.remote(t)...))
	equal(t, "blobs without any", l.blobFiles(), "[]")
}

// Who has been told that a blob is there pushes the manifest next.
func TestWhatWasAskedForStaysForAWhile(t *testing.T) {
	t.Parallel()
	l, clock := newLayout(t)
	img := must(random.Image(1000, 1))
	must(0, remote.Write(ref("a:1"), img, l.remote(t)...))
	clock.SetTime(clock.Now().Add(2 * grace))
	layer := must(must(img.Layers())[0].Digest()).String()
	a, _, err := l.do(t, "HEAD", "/v2/b/blobs/"+layer, "")
	equal(t, "asked", []any{a.StatusCode, err}, []any{200, nil})
	must(0, remote.Delete(ref("a@"+must(img.Digest()).String()), l.remote(t)...))
	equal(t, "left", l.blobFiles(), []string{strings.TrimPrefix(layer, "sha256:")})
}

func TestAManifestOfWhatIsNotThereIsRefused(t *testing.T) {
	t.Parallel()
	l, _ := newLayout(t)
	img := must(random.Image(10, 1))
	manifest := must(img.RawManifest())
	a, told, err := l.do(t, "PUT", "/v2/x/manifests/1", string(manifest), "Content-Type: "+string(must(img.MediaType())))
	equal(t, "answer", []any{a.StatusCode, told, err}, []any{400, `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"` +
		must(img.ConfigName()).String() + ` is not there, push it again"}]}`, nil})
	equal(t, "index", must(l.index()).Manifests, "[]")
}

// half is a body that breaks off.
type half struct{ told bool }

func (h *half) Read(p []byte) (int, error) {
	if h.told {
		return 0, io.ErrUnexpectedEOF
	}
	h.told = true
	return copy(p, "half of it"), nil
}

func TestHalfABlobIsNone(t *testing.T) {
	t.Parallel()
	l, clock := newLayout(t)
	begin := func() string {
		a, _, err := l.do(t, "POST", "/v2/x/blobs/uploads/", "")
		must(0, err)
		return a.Header.Get("Location")
	}
	temporary := func() int { return len(must(os.ReadDir(l.path(tempFolder)))) }
	at := begin()
	_, err := l.stream(t, "PATCH", at, &half{}, io.Discard)
	equal(t, "error", err, io.ErrUnexpectedEOF)
	equal(t, "temporary files", temporary(), 0)
	a, _, _ := l.do(t, "PATCH", at, "more")
	equal(t, "the upload after it", a.StatusCode, 404)

	// A writer that is killed leaves a file, which the next one deletes in time.
	a, _, _ = l.do(t, "PATCH", begin(), "all there is, but nobody says so")
	equal(t, "status", a.StatusCode, 202)
	l = must(Open(l.Folder()))
	l.clock = clock
	a, _, _ = l.do(t, "PUT", begin()+"?digest=sha256:"+strings.Repeat("0", 64), "something else")
	equal(t, "status of a wrong digest", a.StatusCode, 400)
	equal(t, "temporary files", temporary(), 1)
	clock.SetTime(clock.Now().Add(2 * grace))
	must(os.Stat(l.path(tempFolder)))
	a, _, _ = l.do(t, "DELETE", begin(), "")
	equal(t, "status of the end", a.StatusCode, 204)
	equal(t, "temporary files", temporary(), 0)
	equal(t, "blobs", l.blobFiles(), "[]")
}

func TestManyWritersLoseNothing(t *testing.T) {
	t.Parallel()
	l, _ := newLayout(t)
	img := must(random.Image(100, 1))
	var all sync.WaitGroup
	var want []string
	for i := range 40 {
		tag := fmt.Sprintf("t%02d", i)
		want = append(want, tag)
		all.Go(func() {
			own := must(Open(l.Folder())) // as another process does
			if err := remote.Write(ref("x:"+tag), img, own.remote(t)...); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	equal(t, "tags", must(remote.List(ref("x").Context(), l.remote(t)...)), want)
	equal(t, "a page", must(remote.List(ref("x").Context(), append(l.remote(t), remote.WithPageSize(7))...)), want)
}

func TestReferrers(t *testing.T) {
	t.Parallel()
	l, _ := newLayout(t)
	img := must(random.Image(10, 1))
	must(0, remote.Write(ref("x:1"), img, l.remote(t)...))
	about := must(remote.Get(ref("x:1"), l.remote(t)...)).Descriptor
	sbom := mutate.Subject(mutate.Annotations(mutate.ConfigMediaType(must(random.Image(10, 1)), "application/sbom"),
		map[string]string{"by": "us"}).(v1.Image), about).(v1.Image)
	must(0, remote.Write(ref("x@"+must(sbom.Digest()).String()), sbom, l.remote(t)...))
	at := ref("x@" + about.Digest.String()).(name.Digest)
	found := must(must(remote.Referrers(at, l.remote(t)...)).IndexManifest()).Manifests
	equal(t, "found", []any{len(found), found[0].Digest, found[0].ArtifactType, found[0].Annotations},
		[]any{1, must(sbom.Digest()), "application/sbom", map[string]string{"by": "us"}})
	for kind, want := range map[string]int{"application/sbom": 1, "other": 0} {
		filtered := append(l.remote(t), remote.WithFilter("artifactType", kind))
		equal(t, kind, len(must(must(remote.Referrers(at, filtered...)).IndexManifest()).Manifests), want)
	}
}

func TestFoldersThatWillNotDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"something else": {map[string]string{"thesis.tex": "x"}, "it has thesis.tex in it and is no image layout: " +
			"name an empty folder, or one that is not there, with AML_LAYOUT"},
		"another version": {map[string]string{"oci-layout": `{"imageLayoutVersion":"2.0.0"}`}, `oci-layout is broken: ` +
			`its version is "2.0.0", not 1.0.0: mend the file, or move the folder away to begin with an empty one`},
		"no version": {map[string]string{"oci-layout": "x"}, "oci-layout is broken: invalid character 'x' looking for " +
			"beginning of value: mend the file, or move the folder away to begin with an empty one"},
		"a broken index": {map[string]string{"oci-layout": `{"imageLayoutVersion":"1.0.0"}`, "index.json": `{"manifests":`},
			"index.json is broken: unexpected end of JSON input: mend the file, or move the folder away to begin with an empty one"},
		"another digest": {map[string]string{"oci-layout": `{"imageLayoutVersion":"1.0.0"}`, "index.json": `{"manifests":[{}]}`},
			`index.json is broken: manifest 1 has the digest ":", not sha256:…: mend the file, or move the folder away to ` +
				"begin with an empty one"},
		"a file for a folder": {map[string]string{"oci-layout": `{"imageLayoutVersion":"1.0.0"}`, "ingest": ""},
			"it cannot be written: not a directory: look at the folder, or name another one with AML_LAYOUT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, text := range c.files {
				must(0, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
			}
			l, err := Open(dir)
			if err == nil {
				err = remote.Write(ref("x:1"), empty.Image, l.remote(t)...)
			}
			var told *FolderError
			if !errors.As(err, &told) {
				t.Fatalf("got %v", err)
			}
			equal(t, "error", told.Error()+": "+told.Advice(), "image layout "+dir+": "+c.want)
		})
	}
}

// Open looks for the version and then at the folder; meanwhile others work there.
func TestALayoutThatComesWhileItIsOpenedIsOne(t *testing.T) {
	t.Parallel()
	l, _ := newLayout(t)
	environment(t, l)
	if err := l.vacant(); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestWhatTheDiskRefusesIsTold(t *testing.T) {
	t.Parallel()
	l := must(Open("/somewhere/else"))
	for number, want := range map[syscall.Errno]string{
		syscall.ENOSPC: "no space left on device: make room on that disk, or name a folder on another one with AML_LAYOUT",
		syscall.EACCES: "permission denied: allow it, or name another folder with AML_LAYOUT",
		syscall.EROFS:  "read-only file system: allow it, or name another folder with AML_LAYOUT",
		syscall.EIO:    "input/output error: look at the folder, or name another one with AML_LAYOUT",
	} {
		var told *FolderError
		if !errors.As(l.failed("written", &fs.PathError{Op: "write", Path: "x", Err: number}), &told) {
			t.Fatal(number)
		}
		equal(t, "error", told.Error()+": "+told.Advice(), "image layout /somewhere/else: it cannot be written: "+want)
	}
}

// endless gives bytes and keeps none.
type endless struct{ *rand.ChaCha8 }

func (e endless) Read(p []byte) (int, error) { return e.ChaCha8.Read(p) }

func TestMemoryDoesNotGrowWithBlobs(t *testing.T) {
	l, _ := newLayout(t)
	const size = 64 << 20
	body := func() io.Reader { return io.LimitReader(endless{rand.NewChaCha8([32]byte{1})}, size) }
	digest, _, err := v1.SHA256(body())
	must(0, err)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a, err := l.stream(t, "POST", "/v2/x/blobs/uploads/?digest="+digest.String(), body(), io.Discard)
	equal(t, "written", []any{a.StatusCode, err}, []any{201, nil})
	sum := sha256.New()
	must(l.stream(t, "GET", "/v2/x/blobs/"+digest.String(), nil, sum))
	runtime.ReadMemStats(&after)
	equal(t, "what came back", hex.EncodeToString(sum.Sum(nil)), digest.Hex)
	if used := after.TotalAlloc - before.TotalAlloc; used > size/8 {
		t.Errorf("%d bytes of memory for a blob of %d", used, size)
	}
}

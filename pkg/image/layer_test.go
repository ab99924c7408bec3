// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// archived makes the layer of a folder.
func archived(t *testing.T, folder string) *layer {
	t.Helper()
	entries, err := modelEntries(Model{Name: "odd", Version: 1, Path: folder})
	if err != nil {
		t.Fatal(err)
	}
	return must(newLayer(t.Context(), content{entries: entries}, false))
}

// readTar reads the files of a layer as it travels.
func readTar(t *testing.T, l *layer) (map[string]string, error) {
	t.Helper()
	stream := must(l.Compressed())
	defer stream.Close()
	out := map[string]string{}
	for archive := tar.NewReader(stream); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, stream)
			return out, err
		}
		if err != nil {
			return out, err
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			return out, err
		}
		out[h.Name] = string(text)
	}
}

func TestManyFilesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	_, models, _ := shop(t)
	files := map[string]string{}
	for i := range 3000 {
		files[fmt.Sprintf("%d/%d", i%50, i)] = fmt.Sprint(i)
	}
	r := register(t, models, "odd", write(t, files))
	got := must(models.Download(t.Context(), r, t.TempDir(), false))
	equal(t, "digest", archived(t, got).digest, r.layer.Digest)
}

func TestAHundredThousandFilesAreALayer(t *testing.T) {
	t.Parallel()
	const count, folders = 100_000, 100
	first := map[string]string{}
	for i := range folders {
		first[fmt.Sprintf("m/%d/%d", i, i)] = "text"
	}
	dir := filepath.Join(write(t, first), "m")
	for i := folders; i < count; i++ {
		folder := filepath.Join(dir, fmt.Sprint(i%folders))
		must(0, os.Link(filepath.Join(folder, fmt.Sprint(i%folders)), filepath.Join(folder, fmt.Sprint(i))))
	}
	l := archived(t, dir)
	// A header and a block for each file, a header for each folder and the six above, and the end.
	equal(t, "size", l.size, 512*(2*count+folders+6+2))
	stream := must(l.Compressed())
	defer func() { must(0, stream.Close()) }()
	files, seen := tar.NewReader(stream), 0
	for h, err := files.Next(); err == nil; h, err = files.Next() {
		if h.Typeflag == tar.TypeReg {
			seen++
		}
	}
	equal(t, "files", seen, count)
}

func TestNamesInMessagesAreOneLine(t *testing.T) {
	t.Parallel()
	dir, src := project(t)
	must(0, os.Symlink("gone", filepath.Join(dir, "src/a\nb\x1b[2J\xff")))
	equal(t, "error", Check(src), `link "`+dir+`/src/a\nb\x1b[2J\xff" leads to nothing: remove it, `+
		`or leave it out with .amlignore`)
}

// While somebody puts other things in a file's and a folder's place, each archive is
// one that was there, or an error; nothing that lies outside gets into it, and
// nothing waits.
func TestNothingGetsInWhileThingsAreMoved(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{"m/folder/file": strings.Repeat("a", 100_000), "other/file": "b",
		"outside/file": "secret", "outside/folder/file": "secret"})
	stop := make(chan struct{})
	var moving sync.WaitGroup
	moving.Go(func() { move(dir, stop) })
	for range 300 {
		entries, err := modelEntries(Model{Name: "odd", Version: 1, Path: filepath.Join(dir, "m")})
		var files map[string]string
		if err == nil {
			var l *layer
			if l, err = newLayer(t.Context(), content{entries: entries}, false); err == nil {
				files, err = readTar(t, l)
			}
		}
		for name, text := range files {
			if strings.Contains(text, "secret") {
				t.Errorf("%s is what lies outside", name)
			}
			// No link of those that are made stays in the folder, so none is there.
			if err == nil && strings.HasSuffix(name, "/file") && text != "b" && len(text) != 100_000 {
				t.Errorf("%s has %d bytes", name, len(text))
			}
		}
	}
	close(stop)
	moving.Wait()
}

// move puts one thing after the other in the place of m/folder and of the file in it.
func move(dir string, stop <-chan struct{}) {
	folder, kept := filepath.Join(dir, "m/folder"), filepath.Join(dir, "kept")
	file := filepath.Join(folder, "file")
	for {
		select {
		case <-stop:
			return
		default:
		}
		_ = os.Rename(folder, kept)
		_ = os.Symlink("../outside", folder)
		runtime.Gosched()
		_ = os.Remove(folder)
		_ = os.Rename(kept, folder)
		_ = os.Rename(file, kept)
		_ = os.Symlink("../../outside/file", file)
		runtime.Gosched()
		_ = os.Remove(file)
		_ = pipe(file)
		runtime.Gosched()
		_ = os.Remove(file)
		_ = os.Link(filepath.Join(dir, "other/file"), file)
		runtime.Gosched()
		_ = os.Rename(kept, file)
	}
}

// An upload that breaks is begun anew with the blob that it broke in; those that
// had come stay.
func TestABrokenUploadGoesOnWithTheBlobItBrokeIn(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	dir, src := project(t)
	src.Environment = reg.environment(t)
	src.Models = append(src.Models, Model{"bert", 2, filepath.Join(dir, "models/bert")})
	must(0, os.WriteFile(filepath.Join(dir, "models/bert/weights.bin"), make([]byte, 1<<20), 0o600))
	var mu sync.Mutex
	done := sync.NewCond(&mu)
	sent := 0
	reg.fail(func(w http.ResponseWriter, q *http.Request) bool {
		switch {
		case q.Method == http.MethodPut && q.URL.Query().Has("digest"):
			defer func() { mu.Lock(); defer mu.Unlock(); sent++; done.Broadcast() }()
		case q.Method == http.MethodPatch && q.ContentLength > 1<<20:
			mu.Lock() // the others get time to arrive
			for sent < 2 {
				done.Wait()
			}
			mu.Unlock()
			must(io.CopyN(io.Discard, q.Body, 1<<19))
			reset(w)
			return true
		}
		return false
	})
	_, err := Package(t.Context(), src, reg.host+"/x", options())
	equal(t, "error", err, "cannot push to "+reg.host+"/x: "+reg.host+
		" broke the connection off: try again; if it stays, look at the registry's logs")
	reg.fail(nil)
	reg.uploads()
	got := must(Package(t.Context(), src, reg.host+"/x", options()))
	var again []string
	for _, l := range got.Layers {
		if l.Uploaded {
			again = append(again, l.Name)
		}
	}
	equal(t, "sent again", again, []string{"model bert:2"})
}

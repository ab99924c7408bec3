// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// entry is a file of a tar.
type entry struct {
	header tar.Header
	text   []byte
}

func entries(t *testing.T, raw []byte) []entry {
	t.Helper()
	var out []entry
	for archive := tar.NewReader(bytes.NewReader(raw)); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, entry{*h, must(io.ReadAll(archive))})
	}
}

func tarOf(all []entry) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range all {
		if e.header.Typeflag == tar.TypeReg {
			e.header.Size = int64(len(e.text))
		}
		must(0, w.WriteHeader(&e.header))
		must(w.Write(e.text))
	}
	must(0, w.Close())
	return b.Bytes()
}

func regular(name, text string) entry {
	return entry{*header(name, 0), []byte(text)}
}

// blobOf is a blob of a tar by what is in it, with what to say of it.
func blobOf(text []byte, kind types.MediaType) (entry, v1.Descriptor) {
	digest, size, err := v1.SHA256(bytes.NewReader(text))
	must(0, err)
	return entry{*header(blobFolder+digest.Hex, 0), text}, v1.Descriptor{MediaType: kind, Size: size, Digest: digest}
}

// reindexed is a bundle whose index.json is changed.
func reindexed(all []entry, change func(*v1.IndexManifest)) []entry {
	for i, e := range all {
		if e.header.Name == indexFile {
			index := must(v1.ParseIndexManifest(bytes.NewReader(e.text)))
			change(index)
			all[i].text = must(json.Marshal(index))
		}
	}
	return all
}

// with adds a top to a bundle: an image that consists of what is given.
func with(all []entry, kind types.MediaType, manifest any, blobs ...entry) []entry {
	e, d := blobOf(must(json.Marshal(manifest)), kind)
	d.Annotations = map[string]string{refName: "h/x@" + d.Digest.String()}
	return append(reindexed(all, func(i *v1.IndexManifest) { i.Manifests = append(i.Manifests, d) }), append(blobs, e)...)
}

func TestFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	s, names := stocked(t)
	good := must(os.ReadFile(s.write(names)))
	const again = "copy the file again, or make it anew with kubectl aml bundle create"
	const ours = "name a file that kubectl aml bundle create made"
	const never = "do not use it: kubectl aml bundle create makes no such file"
	zeros := strings.Repeat("0", 64)
	for what, c := range map[string]struct {
		file func(t *testing.T, all []entry) []byte
		want string
	}{
		"nothing": {func(*testing.T, []entry) []byte { return nil }, "it is no bundle, it is no OCI image layout 1.0.0: " + ours},
		"text":    {func(*testing.T, []entry) []byte { return bytes.Repeat([]byte("text"), 500) }, "it is no bundle: " + ours},
		"packed": {func(*testing.T, []entry) []byte {
			var b bytes.Buffer
			w := gzip.NewWriter(&b)
			must(w.Write(good))
			must(0, w.Close())
			return b.Bytes()
		}, "it is compressed: unpack it first, with gunzip or zstd"},
		"another tar": {func(*testing.T, []entry) []byte { return tarOf([]entry{regular("etc/passwd", "x")}) },
			`it is no bundle, it begins with "etc/passwd": ` + ours},
		"another layout": {func(*testing.T, []entry) []byte {
			return tarOf([]entry{regular(layoutFile, layoutText), regular(indexFile, `{"schemaVersion":2,"manifests":[]}`)})
		}, "it is no bundle, it has 0 times values and 0 charts: " + ours},
		"no index":      {func(_ *testing.T, all []entry) []byte { return tarOf(all[:1]) }, "it is cut off: " + again},
		"half a header": {func(*testing.T, []entry) []byte { return good[:700] }, "it is cut off: " + again},
		"half a blob":   {func(*testing.T, []entry) []byte { return good[:len(good)-2000] }, "it "},
		"whole files less": {func(_ *testing.T, all []entry) []byte { return tarOf(all[:len(all)-1]) },
			"it lacks blob sha256:"},
		"way out": {func(_ *testing.T, all []entry) []byte { return tarOf(append(all, regular("../evil", ""))) },
			`it has "../evil" in it: ` + never},
		"way out of the blobs": {func(_ *testing.T, all []entry) []byte {
			return tarOf(append(all, regular("blobs/sha256/../../evil", "")))
		}, `it has "blobs/sha256/../../evil" in it: ` + never},
		"link": {func(_ *testing.T, all []entry) []byte {
			return tarOf(append(all, entry{header: tar.Header{Typeflag: tar.TypeSymlink, Name: blobFolder + zeros, Linkname: "/etc/passwd"}}))
		}, `it has "blobs/sha256/` + zeros + `" in it: ` + never},
		"hard link": {func(_ *testing.T, all []entry) []byte {
			return tarOf(append(all, entry{header: tar.Header{Typeflag: tar.TypeLink, Name: blobFolder + zeros, Linkname: indexFile}}))
		}, `it has "blobs/sha256/` + zeros + `" in it: ` + never},
		"device": {func(_ *testing.T, all []entry) []byte {
			return tarOf(append(all, entry{header: tar.Header{Typeflag: tar.TypeChar, Name: blobFolder + zeros}}))
		}, `it has "blobs/sha256/` + zeros + `" in it: ` + never},
		"a name twice": {func(_ *testing.T, all []entry) []byte { return tarOf(append(all, all[len(all)-1])) }, "twice: " + never},
		"index twice":  {func(_ *testing.T, all []entry) []byte { return tarOf(append(all, all[1])) }, `it has "index.json" twice: ` + never},
		"a blob too many": {func(_ *testing.T, all []entry) []byte {
			e, _ := blobOf([]byte("stowaway"), "")
			return tarOf(append(all, e))
		}, "which nothing names: " + never},
		"another manifest": {func(_ *testing.T, all []entry) []byte {
			for i, e := range all {
				if bytes.Contains(e.text, []byte(`"layers"`)) {
					all[i].text = bytes.ReplaceAll(e.text, []byte(`"schemaVersion":2`), []byte(`"schemaVersion":3`))
				}
			}
			return tarOf(all)
		}, "is not what its digest says: " + again},
		"a shorter layer": {func(_ *testing.T, all []entry) []byte {
			for i, e := range all {
				if len(e.text) == 2560 || bytes.HasPrefix(e.text, []byte{0x1f, 0x8b}) {
					all[i].text = e.text[:len(e.text)-1]
				}
			}
			return tarOf(all)
		}, " bytes, not "},
		"a huge index": {func(_ *testing.T, all []entry) []byte {
			all[1].text = bytes.Repeat([]byte(" "), mostIndex+1)
			return tarOf(all)
		}, "its index.json has 4194305 bytes: " + never},
		"a huge manifest": {func(_ *testing.T, all []entry) []byte {
			e, d := blobOf(bytes.Repeat([]byte(" "), mostIndex+1), types.OCIManifestSchema1)
			return tarOf(append(reindexed(all, func(i *v1.IndexManifest) { i.Manifests = append(i.Manifests, d) }), e))
		}, "has 4194305 bytes, and the most is 4194304: " + never},
		"sizes below zero": {func(_ *testing.T, all []entry) []byte {
			return tarOf(reindexed(all, func(i *v1.IndexManifest) { i.Manifests[0].Size = -1 }))
		}, "of -1 bytes, which is none: " + ours},
		"an index of itself thrice": {func(_ *testing.T, all []entry) []byte {
			leaf, d := blobOf(must(json.Marshal(v1.IndexManifest{SchemaVersion: 2, Manifests: []v1.Descriptor{}})), types.OCIImageIndex)
			blobs := []entry{leaf}
			for range 2 {
				var e entry
				e, d = blobOf(must(json.Marshal(v1.IndexManifest{SchemaVersion: 2, Manifests: []v1.Descriptor{d}})), types.OCIImageIndex)
				blobs = append(blobs, e)
			}
			return tarOf(with(all, types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, Manifests: []v1.Descriptor{d}}, blobs...))
		}, "name indexes that name indexes: " + never},
		"a manifest ten thousand times": {func(_ *testing.T, all []entry) []byte {
			return tarOf(reindexed(all, func(i *v1.IndexManifest) {
				d := v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: i.Manifests[0].Digest, Size: i.Manifests[0].Size}
				many := make([]v1.Descriptor, 10000)
				for n := range many {
					many[n] = d
				}
				e, top := blobOf(must(json.Marshal(v1.IndexManifest{SchemaVersion: 2, Manifests: many})), types.OCIImageIndex)
				all[2] = e
				i.Manifests = []v1.Descriptor{top}
			}))
		}, "it "},
		"a name for another digest": {func(_ *testing.T, all []entry) []byte {
			return tarOf(reindexed(all, func(i *v1.IndexManifest) { i.Manifests[0].Annotations[refName] = "h/x@sha256:" + zeros }))
		}, `it calls the image sha256:`},
		"an image beside the registry's path": {func(_ *testing.T, all []entry) []byte {
			return tarOf(reindexed(all, func(i *v1.IndexManifest) {
				i.Manifests[0].Annotations[refName] = "h/../x@" + i.Manifests[0].Digest.String()
			}))
		}, `"h/../x@sha256:`},
		"an image without a name": {func(_ *testing.T, all []entry) []byte {
			return tarOf(reindexed(all, func(i *v1.IndexManifest) { i.Manifests[0].Annotations = nil }))
		}, ` "": ` + never},
		"an image twice": {func(_ *testing.T, all []entry) []byte {
			return tarOf(reindexed(all, func(i *v1.IndexManifest) { i.Manifests = append(i.Manifests, i.Manifests[0]) }))
		}, "twice: " + never},
		"a chart that is called like an image": {func(_ *testing.T, all []entry) []byte {
			return tarOf(reindexed(all, func(i *v1.IndexManifest) {
				i.Manifests[len(i.Manifests)-1].Annotations[refName] = "library/haproxy:3"
			}))
		}, `, "library/haproxy:3": ` + never},
		"a source that moves the cursor": {func(_ *testing.T, all []entry) []byte {
			return tarOf(reindexed(all, func(i *v1.IndexManifest) { i.Manifests[0].Annotations[sourceKey] = "\x1b[2J" }))
		}, `it says "\x1b[2J" of sha256:`},
		"a digest that moves the cursor": {func(_ *testing.T, all []entry) []byte {
			all[1].text = bytes.Replace(all[1].text, []byte("sha256:"), []byte(`sha256:\u001b`), 1)
			return tarOf(all)
		}, "found non-hex character in hash: \ufffd: " + ours},
		"a newer form": {func(_ *testing.T, all []entry) []byte {
			config, c := blobOf([]byte("{}"), configType)
			return tarOf(with(all, types.OCIManifestSchema1, v1.Manifest{SchemaVersion: 2, Config: c,
				ArtifactType: anyArtifact + "v2"}, config))
		}, "it is of a newer form, application/vnd.kubectl-aml.bundle.v2: update kubectl aml"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "b.tar")
			must(0, os.WriteFile(file, c.file(t, entries(t, good)), 0o600))
			_, err := Open(file)
			if err == nil || !strings.HasPrefix(err.Error(), file+": ") || !strings.Contains(err.Error(), c.want) ||
				strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestALayerThatWasChangedIsTold(t *testing.T) {
	t.Parallel()
	s, names := stocked(t)
	all := entries(t, must(os.ReadFile(s.write(names))))
	m := must(parseManifest(must(s.courier().Manifest(t.Context(), names[0])).Raw))
	for i, e := range all {
		if e.header.Name == blobFolder+m.Layers[1].Digest.Hex {
			all[i].text = bytes.Clone(e.text)
			all[i].text[len(e.text)/2] ^= 1
		}
	}
	file := filepath.Join(t.TempDir(), "b.tar")
	must(0, os.WriteFile(file, tarOf(all), 0o600))
	b := opened(t, file)
	want := file + ": blob " + m.Layers[1].Digest.String() + " of " + names[0] + " is not what its digest says: " + copyAgain
	if err := b.Verify(t.Context(), io.Discard); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A file that tar made of the unpacked folder is as good.
func TestARepackedBundleIsRead(t *testing.T) {
	t.Parallel()
	s, names := stocked(t)
	all := entries(t, must(os.ReadFile(s.write(names))))
	var again []entry
	for _, dir := range []string{"./", "./blobs/", "./blobs/sha256/"} {
		again = append(again, entry{header: tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755}})
	}
	for _, e := range all {
		e.header.Name = "./" + e.header.Name
		again = append(again, e)
	}
	file := filepath.Join(t.TempDir(), "b.tar")
	must(0, os.WriteFile(file, tarOf(again), 0o600))
	if err := opened(t, file).Verify(t.Context(), io.Discard); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	must(0, syscall.Mkfifo(pipe, 0o600))
	for name, want := range map[string]string{
		dir: "it is no file: " + notOurs, pipe: "it is no file: " + notOurs, filepath.Join(dir, "none"): "cannot be read: no such file or directory",
	} {
		if _, err := Open(name); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestDisksThatAreFull(t *testing.T) {
	t.Parallel()
	for cause, want := range map[error]string{
		&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}: "b.tar cannot be written: the disk is full: make room, or name a file on another disk",
		&os.PathError{Op: "write", Path: "x", Err: syscall.EFBIG}:  "b.tar cannot be written: the file system takes no file as large: name one on another disk",
	} {
		if err := unwritten("b.tar", cause); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// Whatever a file holds, it is refused or read, and what is read has the digests
// that it says.
func FuzzOpen(f *testing.F) {
	config, c := blobOf([]byte(`{"endpoint":"echo","chart":"1"}`), configType)
	values, v := blobOf([]byte("a: 1\n"), valuesType)
	ours, d := blobOf(must(json.Marshal(v1.Manifest{SchemaVersion: 2, ArtifactType: artifactType, Config: c, Layers: []v1.Descriptor{v}})),
		types.OCIManifestSchema1)
	chartFile, cc := blobOf([]byte("{}"), chartConfig)
	content, l := blobOf([]byte("chart"), chartContent)
	packed, p := blobOf(must(json.Marshal(v1.Manifest{SchemaVersion: 2, Config: cc, Layers: []v1.Descriptor{l}})), types.OCIManifestSchema1)
	p.Annotations = map[string]string{refName: chartName + ":1"}
	picture, i := blobOf(must(json.Marshal(v1.Manifest{SchemaVersion: 2, Config: c, Layers: []v1.Descriptor{}})), types.OCIManifestSchema1)
	i.Annotations = map[string]string{refName: "h/x@" + i.Digest.String()}
	text, tt := blobOf([]byte("packages"), image.SBOMType)
	attached, a := blobOf(must(json.Marshal(v1.Manifest{SchemaVersion: 2, ArtifactType: string(image.SBOMType), Config: c,
		Layers: []v1.Descriptor{tt}, Subject: &i})), types.OCIManifestSchema1)
	a.Annotations = map[string]string{refName: "h/x@" + a.Digest.String()}
	index := must(json.Marshal(v1.IndexManifest{SchemaVersion: 2, Manifests: []v1.Descriptor{d, p}}))
	good := tarOf([]entry{regular(layoutFile, layoutText), {*header(indexFile, 0), index}, config, values, ours, chartFile, content, packed})
	f.Add(good)
	index = must(json.Marshal(v1.IndexManifest{SchemaVersion: 2, Manifests: []v1.Descriptor{d, p, i, a}}))
	f.Add(tarOf([]entry{regular(layoutFile, layoutText), {*header(indexFile, 0), index}, config, values, ours, chartFile, content, packed,
		picture, text, attached}))
	f.Add(good[:len(good)/2])
	f.Add(tarOf([]entry{regular(layoutFile, layoutText), regular(indexFile, `{"manifests":[{"size":1}]}`)}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		file := filepath.Join(t.TempDir(), "b.tar")
		must(0, os.WriteFile(file, raw, 0o600))
		b, err := Open(file)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("several lines: %v", err)
			}
			return
		}
		defer func() { _ = b.Close() }()
		if b.Endpoint == "" || b.Verify(t.Context(), io.Discard) == nil && len(b.named) != len(b.blobs) {
			t.Errorf("read as %+v", b)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	orascontent "oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/file"
	"oras.land/oras-go/v2/content/memory"
	orasremote "oras.land/oras-go/v2/registry/remote"
)

// part is a layer as other tools pack it.
type part struct {
	kind, file string
	data       []byte
}

func archive(headers ...tar.Header) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		data := []byte("of " + h.Name)
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(data))
		}
		must(0, w.WriteHeader(&h))
		if h.Typeflag == tar.TypeReg {
			must(w.Write(data))
		}
	}
	must(0, w.Close())
	return b.Bytes()
}

func zipped(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	must(w.Write(data))
	must(0, w.Close())
	return b.Bytes()
}

func regular(names ...string) []tar.Header {
	var out []tar.Header
	for _, n := range names {
		out = append(out, tar.Header{Name: n, Typeflag: tar.TypeReg, Mode: 0o600, Uid: 7, ModTime: time.Unix(1e9, 0)})
	}
	return out
}

// packed pushes an artifact of the specification with oras, which is not what
// models are read with.
func packed(t *testing.T, reg *testRegistry, path string, parts ...part) string {
	t.Helper()
	store, ref := memory.New(), must(name.ParseReference(reg.host+"/"+path))
	push := func(kind, file string, data []byte) ocispec.Descriptor {
		d := orascontent.NewDescriptorFromBytes(kind, data)
		if err := store.Push(t.Context(), d, bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		if file != "" {
			d.Annotations = map[string]string{"org.cncf.model.filepath": file}
		}
		return d
	}
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: "application/vnd.cncf.model.manifest.v1+json",
		Config:       push("application/vnd.cncf.model.config.v1+json", "", []byte(`{"descriptor":{},"config":{},"modelfs":{}}`))}
	for _, p := range parts {
		m.Layers = append(m.Layers, push("application/vnd.cncf.model."+p.kind, p.file, p.data))
	}
	manifest := push(m.MediaType, "", must(json.Marshal(m)))
	if err := store.Tag(t.Context(), manifest, "x"); err != nil {
		t.Fatal(err)
	}
	repo := must(orasremote.NewRepository(ref.Context().Name()))
	repo.PlainHTTP = true
	must(oras.Copy(t.Context(), store, "x", repo, ref.Identifier(), oras.DefaultCopyOptions))
	return "oci://" + ref.Name()
}

func TestPackageTakesAnArtifactOfOthers(t *testing.T) {
	t.Parallel()
	encoder := must(zstd.NewWriter(nil))
	cases := map[string]struct {
		path  string
		parts []part
		want  []string
	}{
		"files as they are": {"team/bert:3", []part{{"weight.v1.raw", "model.safetensors", []byte("w")},
			{"weight.config.v1.raw", "sub/config.json", []byte("{}")}},
			[]string{"bert/3/bert/model.safetensors", "bert/3/bert/sub/config.json"}},
		"one file": {"team/iris:v1", []part{{"weight.v1.raw", "model.onnx", []byte("w")}},
			[]string{"iris/1/model.onnx"}},
		"archives, packed and not": {"team/bert:latest", []part{
			{"weight.v1.tar", "a.bin", archive(regular("a.bin")...)},
			{"weight.config.v1.tar+gzip", "b/c.json", zipped(archive(regular("./b/c.json")...))},
			{"doc.v1.tar+zstd", "README.md", encoder.EncodeAll(archive(regular("README.md")...), nil)}},
			[]string{"bert/1/bert/a.bin", "bert/1/bert/b/c.json", "bert/1/bert/README.md"}},
		"an archive that names a folder": {"team/llm:2", []part{{"weight.v1.tar", "weights",
			archive(append([]tar.Header{{Name: "weights/", Typeflag: tar.TypeDir}}, regular("weights/a", "weights/b")...)...)}},
			[]string{"llm/2/weights/a", "llm/2/weights/b"}},
	}
	for title, c := range cases {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			reg, models, dir := shop(t)
			path := packed(t, reg, c.path, c.parts...)
			src := Source{Environment: reg.environment(t), Registry: models.Registry, Models: []Model{must(ParseModel(path, here))}}
			var said []string
			o := options()
			o.Log = func(line string) { said = append(said, line) }
			got := must(Package(t.Context(), src, reg.host+"/ml/endpoint", o))
			var found []string
			for _, f := range files(t, got) {
				if rest, ok := strings.CutPrefix(f, "644 var/azureml-app/azureml-models/"); ok {
					found = append(found, rest)
				}
			}
			equal(t, "files", found, c.want)
			label := strings.Join(strings.SplitN(c.want[0], "/", 3)[:2], ":")
			equal(t, "models", got.Models, []string{"local/" + label})
			equal(t, "pinned", strings.HasPrefix(said[0], "model "+label+" is oci://"+reg.host+"/team/") &&
				strings.Contains(said[0], "@sha256:"), true)
			equal(t, "again", must(Package(t.Context(), src, reg.host+"/ml/endpoint", options())).Reference, got.Reference)
			// The same artifact as a registered model, and back on this machine.
			made := must(models.Register(t.Context(), "mine", path, ModelInfo{}))
			must(models.Download(t.Context(), made, filepath.Join(dir, "down"), false))
		})
	}
}

func TestAFileAndItsArtifactGiveOneLayer(t *testing.T) {
	t.Parallel()
	reg, _, dir := shop(t)
	path := packed(t, reg, "team/m:1", part{"weight.v1.raw", "model.pkl", []byte("weights")})
	env := reg.environment(t)
	var digests []string
	for _, p := range []string{path, filepath.Join(dir, "model.pkl")} {
		got := must(Package(t.Context(), Source{Environment: env, Models: []Model{{Name: "m", Version: 1, Path: p}}},
			reg.host+"/ml/endpoint", options()))
		digests = append(digests, got.Layers[0].Digest)
	}
	equal(t, "digests", digests[0], digests[1])
}

func TestAnArtifactOfModelRegisterIsTheModel(t *testing.T) {
	t.Parallel()
	reg, models, dir := shop(t)
	made := register(t, models, "Sentiment", filepath.Join(dir, "bert"))
	for title, c := range map[string]struct {
		text, registry, label string
		same                  bool
	}{
		"in the registry in use":  {made.URL, models.Registry, "Sentiment:1", true},
		"in another":              {made.URL, reg.host + "/others", "local/Sentiment:1", true},
		"under another name":      {"mine:4=" + made.URL, models.Registry, "local/mine:4", false},
		"in none that is known":   {made.URL, "", "local/Sentiment:1", true},
		"by its tag, not pinned ": {strings.Split(made.URL, "@")[0] + ":1", models.Registry, "Sentiment:1", true},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			src := Source{Environment: reg.environment(t), Registry: c.registry, Models: []Model{must(ParseModel(c.text, here))}}
			got := must(Package(t.Context(), src, reg.host+"/ml/endpoint", options()))
			equal(t, "models", got.Models, []string{c.label})
			equal(t, "the very layer", got.Layers[0].Digest == made.layer.Digest.String(), c.same)
			equal(t, "folder", strings.Contains(strings.Join(files(t, got), " "),
				strings.Replace(strings.TrimPrefix(c.label, "local/"), ":", "/", 1)+"/bert/config.json"), true)
		})
	}
}

func TestArtifactsThatAreRefused(t *testing.T) {
	t.Parallel()
	link := tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../../../etc"}
	// By their names alone both links stay in the folder.
	up := tar.Header{Name: "a/b", Typeflag: tar.TypeSymlink, Linkname: ".."}
	inner := tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "d"}
	cases := map[string]struct {
		parts []part
		want  string
	}{
		"a way out":           {[]part{{"weight.v1.tar", "", archive(regular("../a")...)}}, `holds "../a"`},
		"an absolute path":    {[]part{{"weight.v1.tar", "", archive(regular("/etc/passwd")...)}}, `holds "/etc/passwd"`},
		"a way out of a file": {[]part{{"weight.v1.raw", "../a", []byte("x")}}, `has the file "../a"`},
		"a file without name": {[]part{{"weight.v1.raw", "", []byte("x")}}, `has the file ""`},
		"a link out":          {[]part{{"weight.v1.tar", "", archive(link)}}, `holds a link from "l" to "../../../etc"`},
		"a link out by a link": {[]part{{"weight.v1.tar", "", archive(up, tar.Header{Name: "l", Typeflag: tar.TypeSymlink,
			Linkname: "a/b/../../etc"})}}, `holds a link from "l" to "a/b/../../etc"`},
		"a file of holes":      {[]part{{"weight.v1.tar", "", holes("x")}}, `holds more than its size, with "x"`},
		"a file behind a link": {[]part{{"weight.v1.tar", "", archive(append([]tar.Header{inner}, regular("l/x")...)...)}}, `holds files behind the link "m/l"`},
		"a device":             {[]part{{"weight.v1.tar", "", archive(tar.Header{Name: "d", Typeflag: tar.TypeBlock})}}, `holds "d", which is neither a file nor a folder`},
		"a file twice":         {[]part{{"weight.v1.tar", "", archive(regular("a", "a")...)}}, `holds "a" twice`},
		"a file as a folder":   {[]part{{"weight.v1.tar", "", archive(regular("a", "a/b")...)}}, `holds "m/a" as a file and as a folder`},
		"another file":         {[]part{{"weight.v1.tar", "a", archive(regular("b")...)}}, `says it is "a" and holds "b"`},
		"no archive":           {[]part{{"weight.v1.tar", "", bytes.Repeat([]byte("x"), 600)}}, "has an archive that cannot be read"},
		"not packed":           {[]part{{"weight.v1.tar+gzip", "", []byte("x")}}, "has a layer that is not packed as it says"},
		"another layer":        {[]part{{"weight.v2.tar", "", []byte("x")}}, `has a layer of the type "application/vnd.cncf.model.weight.v2.tar"`},
		"nothing":              {nil, "has no files"},
		"an empty archive":     {[]part{{"weight.v1.tar", "", archive()}}, "has no files"},
	}
	for title, c := range cases {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			reg, models, _ := shop(t)
			path := packed(t, reg, "team/m:1", c.parts...)
			digest := must(remote.Head(must(name.ParseReference(strings.TrimPrefix(path, "oci://"))))).Digest
			src := Source{Environment: reg.environment(t), Models: []Model{must(ParseModel(path, here))}}
			want := "model m:1 is refused: " + strings.TrimSuffix(path, ":1") + "@" + digest.String() + " " + c.want + ": pack it anew"
			_, err := Package(t.Context(), src, reg.host+"/ml/endpoint", options())
			equal(t, "error", fmt.Sprint(err), want)
			_, err = models.Register(t.Context(), "m", path, ModelInfo{})
			equal(t, "registering", strings.TrimSuffix(fmt.Sprint(err), ": pack it anew"), strings.TrimSuffix(want, ": pack it anew"))
			equal(t, "registered", len(must(models.List(t.Context(), Filter{Name: "m"}))), 0)
		})
	}
	t.Run("an image", func(t *testing.T) {
		t.Parallel()
		reg := newRegistry(t)
		path := "oci://" + reg.environment(t)
		_, err := Package(t.Context(), Source{Environment: strings.TrimPrefix(path, "oci://"),
			Models: []Model{{Name: "m", Version: 1, Path: path}}}, reg.host+"/ml/endpoint", options())
		equal(t, "error", fmt.Sprint(err), path+" is no model: name an artifact of the CNCF's model specification, "+
			"such as one that model register made")
	})
}

// oras is another implementation of the same specifications: what it reads, other
// tools can read.
func TestARegisteredModelIsReadByOras(t *testing.T) {
	t.Parallel()
	_, models, dir := shop(t)
	made := must(models.Register(t.Context(), "sentiment", filepath.Join(dir, "bert"),
		ModelInfo{Description: "of sentences", Framework: "PyTorch"}))
	repo := must(orasremote.NewRepository(strings.Split(strings.TrimPrefix(made.URL, "oci://"), "@")[0]))
	repo.PlainHTTP = true
	target := t.TempDir()
	store := must(file.New(target))
	t.Cleanup(func() { _ = store.Close() })
	got := must(oras.Copy(t.Context(), repo, "1", store, "", oras.DefaultCopyOptions))
	equal(t, "digest", "oci://"+repo.Reference.Registry+"/"+repo.Reference.Repository+"@"+string(got.Digest), made.URL)

	var m ocispec.Manifest
	must(0, json.Unmarshal(must(orascontent.FetchAll(t.Context(), store, got)), &m))
	equal(t, "types", []string{m.MediaType, m.ArtifactType, m.Config.MediaType, m.Layers[0].MediaType}, []string{
		"application/vnd.oci.image.manifest.v1+json", "application/vnd.cncf.model.manifest.v1+json",
		"application/vnd.cncf.model.config.v1+json", "application/vnd.cncf.model.weight.v1.tar"})
	equal(t, "layer", m.Layers[0].Annotations["org.cncf.model.filepath"], "bert")

	// The specification refuses keys that it does not know.
	config := json.NewDecoder(bytes.NewReader(must(orascontent.FetchAll(t.Context(), store, m.Config))))
	config.DisallowUnknownFields()
	var c struct {
		Descriptor struct {
			CreatedAt                  time.Time
			Name, Version, Description string
		}
		Config  struct{ Format string }
		ModelFS struct {
			Type    string   `json:"type"`
			DiffIDs []string `json:"diffIds"`
		} `json:"modelfs"`
	}
	must(0, config.Decode(&c))
	equal(t, "config", fmt.Sprint(c.Descriptor.Name, c.Descriptor.Version, c.Config.Format, c.ModelFS.Type),
		"sentiment1PyTorchlayers")
	equal(t, "diffIds", c.ModelFS.DiffIDs, []string{string(m.Layers[0].Digest)})

	listed := names(target)
	equal(t, "files", listed, []string{"sentiment-1.tar"})
	const root = "var/azureml-app/azureml-models/sentiment/1/bert/"
	equal(t, "archive", inTar(t, filepath.Join(target, "sentiment-1.tar")),
		[]string{root + "config.json", root + "sub/weights.bin"})
}

// inTar are the files of an archive.
func inTar(t *testing.T, path string) []string {
	t.Helper()
	var out []string
	for r := tar.NewReader(bytes.NewReader(must(os.ReadFile(path)))); ; {
		h, err := r.Next()
		if err != nil {
			equal(t, "end", err, io.EOF)
			return out
		}
		if h.Typeflag == tar.TypeReg {
			out = append(out, h.Name)
		}
	}
}

// A registry whose blob is not what its digest says cannot slip files in.
func TestAnArtifactIsCheckedByItsDigest(t *testing.T) {
	t.Parallel()
	reg, models, _ := shop(t)
	l := static.NewLayer([]byte("weights"), types.MediaType("application/vnd.cncf.model.weight.v1.raw"))
	digest := must(l.Digest())
	packed(t, reg, "team/m:1", part{"weight.v1.raw", "model.pkl", []byte("weights")})
	reg.fail(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/blobs/"+digest.String()) {
			return false
		}
		must(w.Write([]byte("WEIGHTS")))
		return true
	})
	_, err := models.Register(t.Context(), "m", "oci://"+reg.host+"/team/m:1", ModelInfo{})
	equal(t, "refused", strings.Contains(fmt.Sprint(err), "what came is not what its digest says"), true)
}

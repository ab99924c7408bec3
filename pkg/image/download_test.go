// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
)

func TestDownload(t *testing.T) {
	t.Parallel()
	_, models, dir := shop(t)
	must(0, os.Symlink("config.json", filepath.Join(dir, "bert/link.json")))
	must(0, os.Chmod(filepath.Join(dir, "bert/sub/weights.bin"), 0o700))
	r := register(t, models, "bert", filepath.Join(dir, "bert"))
	into := filepath.Join(t.TempDir(), "new/folder")
	equal(t, "path", must(models.Download(t.Context(), r, into, false)), filepath.Join(into, "bert"))
	equal(t, "link", string(must(os.ReadFile(filepath.Join(into, "bert/link.json")))), "{}")
	equal(t, "file", string(must(os.ReadFile(filepath.Join(into, "bert/sub/weights.bin")))), "w")
	equal(t, "can be run", must(os.Stat(filepath.Join(into, "bert/sub/weights.bin"))).Mode()&0o100, os.FileMode(0o100))
	_, err := models.Download(t.Context(), r, into, false)
	equal(t, "again", err, filepath.Join(into, "bert")+" is there already: name another folder, or allow it to be overwritten")
	must(0, os.WriteFile(filepath.Join(into, "bert/old"), nil, 0o600))
	must(models.Download(t.Context(), r, into, true))
	equal(t, "left", names(into), []string{"bert"})
	equal(t, "left in it", names(filepath.Join(into, "bert")), []string{"config.json", "link.json", "sub"})
}

func names(dir string) []string {
	var out []string
	for _, e := range must(os.ReadDir(dir)) {
		out = append(out, e.Name())
	}
	return out
}

// forged registers an archive that none of ours made.
func forged(t *testing.T, models Models, headers ...tar.Header) Registered {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		must(0, w.WriteHeader(&h))
		must(w.Write(make([]byte, h.Size)))
	}
	must(0, w.Close())
	s := must(models.shelf("evil"))
	l := static.NewLayer(b.Bytes(), modelWeights)
	must(0, remote.WriteLayer(s.repo, l))
	return must(s.tag(t.Context(), Registered{ID: "evil:1", Name: "evil", Version: 1, layer: v1.Descriptor{
		MediaType: modelWeights, Digest: must(l.Digest()), Size: int64(b.Len()),
		Annotations: map[string]string{filePath: "m"}}}))
}

func TestDownloadKeepsToItsFolder(t *testing.T) {
	t.Parallel()
	const root = "var/azureml-app/azureml-models/evil/1/"
	file := func(name string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 1, Mode: 0o644}
	}
	folder := func(name string) tar.Header { return tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: 0o755} }
	link := func(name, to string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to, Mode: 0o777}
	}
	for name, c := range map[string]struct {
		headers []tar.Header
		want    string
	}{
		"up":                   {[]tar.Header{file(root + "m/../../../x")}, `holds "` + root + `m/../../../x"`},
		"absolute":             {[]tar.Header{file("/etc/passwd")}, `holds "/etc/passwd"`},
		"beside the model":     {[]tar.Header{file(root + "n")}, `holds "` + root + `n"`},
		"of another model":     {[]tar.Header{file("var/azureml-app/score.py")}, `holds "var/azureml-app/score.py"`},
		"link up":              {[]tar.Header{link(root+"m/a", "../../x")}, `holds a link from "` + root + `m/a" to "../../x"`},
		"absolute link":        {[]tar.Header{link(root+"m/a", "/etc")}, `holds a link from "` + root + `m/a" to "/etc"`},
		"link to its own name": {[]tar.Header{link(root+"m", "..")}, `holds a link from "` + root + `m" to ".."`},
		// Where the second link lies once the first is followed, it leads out of the model.
		"link through a link": {[]tar.Header{folder(root + "m/a"), link(root+"m/a/b", ".."), link(root+"m/a/b/c", "../../x")},
			`holds "` + root + `m/a/b/c", which lies behind a link`},
		"link out by a link": {[]tar.Header{folder(root + "m/a"), link(root+"m/a/b", ".."), link(root+"m/c", "a/b/../../x")},
			`holds a link from "` + root + `m/c" to "a/b/../../x"`},
		"file through a link": {[]tar.Header{folder(root + "m/b"), link(root+"m/a", "b"), file(root + "m/a/c")},
			`holds "` + root + `m/a/c", which lies behind a link`},
		"hard link": {[]tar.Header{{Name: root + "m", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}},
			`holds "` + root + `m", which is neither a file nor a folder`},
		"device":  {[]tar.Header{{Name: root + "m", Typeflag: tar.TypeChar}}, `holds "` + root + `m", which is neither a file nor a folder`},
		"pipe":    {[]tar.Header{{Name: root + "m", Typeflag: tar.TypeFifo}}, `holds "` + root + `m", which is neither a file nor a folder`},
		"nothing": {nil, `has no "m"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, models, _ := shop(t)
			dir := t.TempDir()
			_, err := models.Download(t.Context(), forged(t, models, c.headers...), filepath.Join(dir, "in"), false)
			equal(t, "error", err, "model evil:1 is refused: its archive "+c.want+
				", which none that was registered has: do not use it")
			equal(t, "written", append(names(dir), names(filepath.Join(dir, "in"))...), []string{"in"})
		})
	}
}

func TestDownloadIsCompleteOrNotThere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func([]byte) []byte
		want  string
	}{
		"other bytes": {func(b []byte) []byte { return bytes.Replace(b, []byte("weights"), []byte("WEIGHTS"), 1) },
			": what came is not what its digest says: try again"},
		"no archive": {func(b []byte) []byte { return bytes.Repeat([]byte("x"), len(b)) },
			": what came is not what its digest says: try again"},
		"broken off": {func(b []byte) []byte { return b[:700] }, " broke the connection off: try again"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg, models, dir := shop(t)
			r := register(t, models, "sentiment", filepath.Join(dir, "model.pkl"))
			reg.fail(func(w http.ResponseWriter, q *http.Request) bool {
				if q.Method != http.MethodGet || !strings.HasSuffix(q.URL.Path, r.layer.Digest.String()) {
					return false
				}
				l := must(newLayer(q.Context(), content{entries: must(modelEntries(Model{"sentiment", 1, dir + "/model.pkl"}))}, false))
				body := c.spoil(must(io.ReadAll(must(l.Compressed()))))
				w.Header().Set("Content-Length", "4608")
				_, _ = w.Write(body)
				return true
			})
			into := t.TempDir()
			_, err := models.Download(t.Context(), r, into, false)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want %q", err, c.want)
			}
			equal(t, "left", len(names(into)), 0)
		})
	}
}

// What Go's writer does not write: holes, with which few bytes are a file of any size.
func TestDownloadRefusesAFileOfHoles(t *testing.T) {
	t.Parallel()
	const name = "var/azureml-app/azureml-models/evil/1/m"
	text := holes(name)
	dir := t.TempDir()
	root := must(os.OpenRoot(dir))
	defer root.Close()
	u := unpacker{model: Registered{ID: "evil:1", Name: "evil", Version: 1, layer: v1.Descriptor{Size: int64(len(text))}},
		root: root, base: "m", links: map[string]bool{}}
	equal(t, "error", u.all(t.Context(), bytes.NewReader(text)), `model evil:1 is refused: its archive holds more than `+
		`its size, with "`+name+`", which none that was registered has: do not use it`)
	equal(t, "written", len(names(dir)), 0)
}

// holes is an archive with a file of a terabyte in which there is nothing.
func holes(name string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	// Two places with nothing in them, the second at the end of a terabyte.
	const places = "1\n1099511627776\n0\n"
	must(0, w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: 512}))
	must(w.Write(append([]byte(places), make([]byte, 512-len(places))...)))
	must(0, w.Close())
	return append(paxRecords(map[string]string{"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": name,
		"GNU.sparse.realsize": "1099511627776"}), b.Bytes()...)
}

// paxRecords is a header of type x with records, which stand before a file's own.
func paxRecords(records map[string]string) []byte {
	var body strings.Builder
	for _, key := range slices.Sorted(maps.Keys(records)) {
		line := " " + key + "=" + records[key] + "\n"
		size := len(line) + 2
		if len(strconv.Itoa(size)) > 2 || size < 10 {
			size++
		}
		body.WriteString(strconv.Itoa(size) + line)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	must(0, w.WriteHeader(&tar.Header{Name: "pax", Typeflag: tar.TypeReg, Size: int64(body.Len())}))
	must(w.Write([]byte(body.String())))
	must(0, w.Flush())
	text := b.Bytes()
	text[156] = tar.TypeXHeader
	sum := 0
	copy(text[148:156], "        ")
	for _, c := range text[:512] {
		sum += int(c)
	}
	copy(text[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return text
}

// scripted is an archive with an entry for each line: the first letter is its kind,
// and what stands behind an arrow where a link leads. A name that begins with ~ is
// one in the folder of the model.
func scripted(script string) []byte {
	kinds := map[byte]byte{'d': tar.TypeDir, 'f': tar.TypeReg, 'l': tar.TypeSymlink, 'h': tar.TypeLink, 'b': tar.TypeBlock}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for line := range strings.SplitSeq(script, "\n") {
		if line == "" || kinds[line[0]] == 0 {
			continue
		}
		name, link, _ := strings.Cut(line[1:], ">")
		if rest, ok := strings.CutPrefix(name, "~"); ok {
			name = "var/azureml-app/azureml-models/evil/1/" + rest
		}
		// What no archive can hold is left out.
		_ = w.WriteHeader(&tar.Header{Typeflag: kinds[line[0]], Name: name, Linkname: link, Mode: 0o644})
	}
	must(0, w.Close())
	return b.Bytes()
}

// Whatever the archive, nothing appears outside of the folder, and no link in it
// leads out of the model.
func FuzzUnpack(f *testing.F) {
	for _, script := range []string{"d~m/\nf~m/a", "l~m/a>..\nf~m/a/b", "f~m/../../x", "f/x", "h~m>/etc/passwd", "b~m",
		"d~m/a/\nl~m/a/b>..\nl~m/c>a/b/../../x", "d~m/b/\nl~m/a>b\nf~m/a/c", "l~m>..", "l~m/a>./b/./c\nd~m/b/\nf~m/b/c"} {
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script string) {
		dir := must(filepath.EvalSymlinks(t.TempDir()))
		in := filepath.Join(dir, "in")
		must(0, os.Mkdir(in, 0o700))
		root := must(os.OpenRoot(in))
		defer func() { must(0, root.Close()) }()
		text := scripted(script)
		u := unpacker{model: Registered{ID: "evil:1", Name: "evil", Version: 1,
			layer: v1.Descriptor{Size: int64(len(text))}}, root: root, base: "m", links: map[string]bool{}}
		if err := u.all(t.Context(), bytes.NewReader(text)); err == nil {
			must(root.Lstat("m"))
		}
		equal(t, "beside", names(dir), []string{"in"})
		must(0, filepath.WalkDir(in, func(full string, _ fs.DirEntry, err error) error {
			aim, gone := filepath.EvalSymlinks(full)
			if full != in && gone == nil && !strings.HasPrefix(aim+"/", in+"/m/") {
				t.Errorf("%q leads to %q", full, aim)
			}
			return err
		}))
	})
}

// Whatever the archive, an artifact of others becomes a layer whose files are in the
// model's folder, each once, and whose links stay there.
func FuzzRepack(f *testing.F) {
	for _, script := range []string{"fa\nfb/c", "fa\nda", "d./\nf./a", "la/b>..\nlc>a/b/../../x", "la>b\nfa/c", "f../x", "ba"} {
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script string) {
		text := scripted(script)
		p := pack{model: Model{Name: "m", Version: 1, Path: "oci://x/m"}, base: "m", layers: []packLayer{
			{Layer: static.NewLayer(text, modelWeights), size: int64(len(text))}}}
		var out bytes.Buffer
		if p.write(&out) != nil {
			return
		}
		seen := map[string]bool{}
		for archive := tar.NewReader(&out); ; {
			h, err := archive.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			name := strings.TrimSuffix(must(h, err).Name, "/")
			if seen[name] || !fs.ValidPath(name) || !strings.HasPrefix("var/azureml-app/azureml-models/m/1/", name+"/") &&
				!strings.HasPrefix(name+"/", "var/azureml-app/azureml-models/m/1/m/") {
				t.Errorf("%q is in the layer", h.Name)
			}
			seen[name] = true
		}
	})
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubectl-aml/kubectl-aml/pkg/cmd"
	"github.com/kubectl-aml/kubectl-aml/pkg/release/releasetest"
)

// packed is a world with an endpoint of two versions, which is in diabetes.aml.tar
// too, and another registry.
func packed(t *testing.T) (w *world, site string) {
	t.Helper()
	w, _ = withPods(t)
	w.env["AML_LAYOUT"] = filepath.Join(w.dir, "images")
	w.push("envoy:1")
	w.push("haproxy:1")
	w.env["AML_ROUTER_IMAGE"], w.env["AML_LIMITER_IMAGE"] = w.registry+"/envoy:1", w.registry+"/haproxy:1"
	w.mustDeploy("blue")
	w.mustDeploy("green", "--traffic", "20")
	r := w.fine(w.run("bundle", "create", "diabetes"))
	if want := "diabetes.aml.tar created: endpoint diabetes, 3 images, "; !strings.HasPrefix(r.out, want) {
		t.Errorf("answered %s", r.out)
	}
	server := httptest.NewServer(registry.New(registry.Logger(quiet())))
	t.Cleanup(server.Close)
	return w, strings.TrimPrefix(server.URL, "http://")
}

// elsewhere is w with an empty cluster.
func (w *world) elsewhere() {
	w.cluster = releasetest.New("models")
	w.namespace("models")
}

func TestABundleIsLoadedElsewhere(t *testing.T) {
	t.Parallel()
	w, site := packed(t)
	before := w.fine(w.run("keys", "get", "diabetes", "-o", "name")).out
	w.elsewhere()
	r := w.fine(w.run("bundle", "load", "diabetes.aml.tar", "--registry", site+"/ml", "--dry-run", "client"))
	if r.out != "endpoint/diabetes created (dry run)\n" || strings.Contains(r.err, "sent") {
		t.Errorf("a dry run: %s%s", r.out, r.err)
	}
	r = w.fine(w.run("bundle", "load", "diabetes.aml.tar", "moved", "--registry", site+"/ml", "--wait=false"))
	if r.out != "endpoint/moved created\n" || !strings.Contains(r.err, "(8 blobs sent, ") {
		t.Errorf("%s%s", r.out, r.err)
	}
	values := w.values("moved")
	if strings.Contains(values, w.registry) || strings.Count(values, site+"/ml/") != 4 || strings.Count(values, "@sha256:") != 4 {
		t.Errorf("loaded with\n%s", values)
	}
	if !strings.Contains(values, "existingSecret: moved-keys") {
		t.Errorf("no keys of its own:\n%s", values)
	}
	if after := w.fine(w.run("keys", "get", "moved", "-o", "name")).out; after == before || len(after) != len(before) {
		t.Error("the keys came with the bundle")
	}
	if got := w.fine(w.run("traffic", "get", "moved")).out; !strings.Contains(got, "green     20%") {
		t.Errorf("the split is\n%s", got)
	}
	if r := w.fine(w.run("bundle", "load", "diabetes.aml.tar", "moved", "--registry", site+"/ml", "--wait=false")); r.out !=
		"endpoint/moved unchanged\n" || !strings.Contains(r.err, "(0 blobs sent, 0.0 MB; 8 there already)") {
		t.Errorf("loaded again: %s%s", r.out, r.err)
	}
}

// What runs and what would be deployed from the same files is one bundle.
func TestABundleIsMadeOfFilesWithoutACluster(t *testing.T) {
	t.Parallel()
	w, site := packed(t)
	w.fine(w.run("delete", "version", "diabetes", "green"))
	w.fine(w.run("bundle", "create", "diabetes", "--file", "run.tar"))
	w.elsewhere()
	connects := false
	w.change = func(e *cmd.Env) {
		e.Connect = func(*genericclioptions.ConfigFlags) (*cmd.Session, error) {
			connects = true
			return nil, errors.New("no cluster")
		}
	}
	r := w.fine(w.run("bundle", "create", "diabetes", "--file", "made.tar", "--version-name", "blue",
		"--entry-script", "score.py", "-m", "model.txt"))
	if connects || !strings.HasPrefix(r.out, "made.tar created: endpoint diabetes, 3 images, ") {
		t.Errorf("asked a cluster: %v; answered %s", connects, r.out)
	}
	if r := w.run("bundle", "create", "diabetes", "--file", "none.tar", "--version-name", "blue"); r.code != 2 ||
		!strings.Contains(r.err, "nothing to deploy") {
		t.Errorf("without code: exit code %d: %s", r.code, r.err)
	}
	w.change = nil
	made, err := os.ReadFile(filepath.Join(w.dir, "made.tar"))
	if err != nil {
		t.Fatal(err)
	}
	run, err := os.ReadFile(filepath.Join(w.dir, "run.tar"))
	if err != nil || !bytes.Equal(made, run) {
		t.Errorf("%d and %d bytes differ: %v", len(made), len(run), err)
	}
	w.fine(w.run("bundle", "load", "made.tar", "--registry", site, "--wait=false"))
}

// Models that are mounted are images, too.
func TestModelsThatAreMountedComeAlong(t *testing.T) {
	t.Parallel()
	w, site := packed(t)
	w.mustDeploy("blue", "--model-mount", "volume")
	r := w.fine(w.run("bundle", "create", "diabetes", "--overwrite"))
	if !strings.Contains(r.out, " 5 images, ") {
		t.Errorf("answered %s", r.out)
	}
	w.elsewhere()
	w.fine(w.run("bundle", "load", "diabetes.aml.tar", "--registry", site+"/ml", "--wait=false"))
	if blue := w.version("blue"); !strings.HasPrefix(blue.ModelImage, site+"/ml/diabetes@sha256:") || blue.ModelImage == blue.Image {
		t.Errorf("%q is mounted beside %q", blue.ModelImage, blue.Image)
	}
	if got := w.plain(w.fine(w.run("bundle", "show", "diabetes.aml.tar", "-o", "wide")).out); strings.Count(got, "local/model.txt:1") != 2 {
		t.Errorf("models are in\n%s", got)
	}
}

// What a cluster mounts is asked for once, however many versions have a volume.
func TestAClusterIsAskedOnceWhatItMounts(t *testing.T) {
	t.Parallel()
	w, site := packed(t)
	w.mustDeploy("blue", "--model-mount", "volume")
	w.mustDeploy("green", "--model-mount", "volume")
	w.fine(w.run("bundle", "create", "diabetes", "--overwrite"))
	w.elsewhere()
	w.admits(func(*corev1.Pod) error {
		return apierrors.NewForbidden(corev1.Resource("pods"), "", errors.New("exceeded quota: team"))
	})
	r := w.fine(w.run("bundle", "load", "diabetes.aml.tar", "--registry", site+"/ml", "--wait=false"))
	if n := strings.Count(r.err, "warning: whether the cluster can mount models as a volume is not known: "); n != 1 {
		t.Errorf("it is told %d times: %s", n, r.err)
	}
}

func TestNoKeyIsInABundle(t *testing.T) {
	t.Parallel()
	w, _ := packed(t)
	raw, err := os.ReadFile(filepath.Join(w.dir, "diabetes.aml.tar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range append(strings.Fields(w.run("keys", "get", "diabetes", "-o", "name").out), "diabetes-keys") {
		if bytes.Contains(raw, []byte(secret)) {
			t.Error("the file has a key, or the name of its secret")
		}
	}
}

// What belongs to an endpoint's place stays when a bundle is loaded over it.
func TestALoadedBundleKeepsWhatBelongsToThePlace(t *testing.T) {
	t.Parallel()
	w, site := packed(t)
	w.fine(w.run("delete", "version", "diabetes", "green"))
	w.write("place.yaml", "imagePullSecrets: [here]\nrouter: {service: {annotations: {of: here}}}\n")
	w.fine(w.run("bundle", "load", "diabetes.aml.tar", "--registry", site, "--values", "place.yaml", "--wait=false"))
	keys := w.fine(w.run("keys", "get", "diabetes", "-o", "name")).out
	w.write("more.yaml", "versions: {blue: {nodeSelector: {pool: models}}}\n")
	w.fine(w.run("bundle", "load", "diabetes.aml.tar", "--registry", site, "--values", "more.yaml", "--wait=false"))
	values := w.values("diabetes")
	for _, want := range []string{"- here\n", "of: here\n", "pool: models\n", "existingSecret: diabetes-keys\n", "green:\n"} {
		if !strings.Contains(values, want) {
			t.Errorf("%q is not in\n%s", want, values)
		}
	}
	if w.fine(w.run("keys", "get", "diabetes", "-o", "name")).out != keys {
		t.Error("the keys were changed")
	}
}

// A default version that is new comes first, and takes the role over when it is
// ready: the one that is there answers until then.
func TestANewDefaultOfABundleIsReadyFirst(t *testing.T) {
	t.Parallel()
	w, site := packed(t)
	w.fine(w.deploy("green", "--default"))
	w.fine(w.run("delete", "version", "diabetes", "blue"))
	r := w.fine(w.run("bundle", "load", "diabetes.aml.tar", "--registry", site))
	if want := "version blue is to be the default and has to be ready first\n"; !strings.Contains(r.err, want) {
		t.Errorf("told %s", r.err)
	}
	w.mustHave("deploy blue", "deploy green", "make green the default", "delete version blue",
		"load a bundle of diabetes: version blue first", "load a bundle of diabetes")
	if got := w.fine(w.run("traffic", "get", "diabetes")).out; !strings.Contains(got, "blue      0%         80%         default") {
		t.Errorf("the split is\n%s", got)
	}
}

func TestPushOnlyGivesOthersWhatTheyNeed(t *testing.T) {
	t.Parallel()
	w, site := packed(t)
	w.elsewhere()
	r := w.fine(w.run("bundle", "load", "diabetes.aml.tar", "--registry", site+"/ml", "--push-only"))
	w.write("values.yaml", r.out)
	objects := w.fine(w.run("render", "diabetes", "--values", "values.yaml")).out
	if strings.Contains(objects, w.registry) || strings.Count(objects, `image: "`+site+"/ml/") != 5 {
		t.Errorf("rendered\n%s", objects)
	}
	if !strings.Contains(r.err, "helm install diabetes oci://"+site+"/ml/inference --version ") {
		t.Errorf("told %s", r.err)
	}
	if left := w.cluster.Names(); len(left) > 0 {
		t.Errorf("there are %v", left)
	}
	var told struct {
		Chart  string
		Images []struct{ From, To string }
	}
	r = w.fine(w.run("bundle", "load", "diabetes.aml.tar", "--registry", site+"/ml", "--push-only", "-o", "json"))
	if err := json.Unmarshal([]byte(r.out), &told); err != nil || told.Chart != "oci://"+site+"/ml/inference" || len(told.Images) != 3 {
		t.Fatalf("%v: %+v", err, told)
	}
	for _, i := range told.Images {
		if i.To != strings.Replace(i.From, w.registry, site+"/ml", 1) {
			t.Errorf("%s went to %s", i.From, i.To)
		}
	}
}

func TestWhatIsInABundle(t *testing.T) {
	t.Parallel()
	w, _ := packed(t)
	r := w.fine(w.run("bundle", "show", "diabetes.aml.tar", "-o", "yaml"))
	for _, want := range []string{"endpoint: diabetes\n", "- limiter\n", "- router\n", "- blue\n", "- local/model.txt:1\n", "default: true\n"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q is not in\n%s", want, r.out)
		}
	}
	r = w.fine(w.run("bundle", "show", "diabetes.aml.tar"))
	for _, want := range []string{"Endpoint diabetes, chart ", "blue,green   local/model.txt:1"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q is not in\n%s", want, r.out)
		}
	}
}

func TestBundlesThatAreNotMadeOrLoaded(t *testing.T) {
	t.Parallel()
	w, site := packed(t)
	w.write("text.tar", "text")
	w.write("other.yaml", "limiter: {image: docker.io/library/haproxy:3}\n")
	w.write("always.yaml", "versions: {blue: {imagePullPolicy: Always}}\n")
	w.write("key.yaml", "auth: {existingSecret: others}\n")
	w.write("tls.yaml", "tls: {existingSecret: certificate, host: a.example}\n")
	w.write("wrong.yaml", "router: {color: red}\n")
	for name, c := range map[string]struct {
		args string
		code int
		want string
	}{
		"no endpoint":      {"create iris", 1, `no endpoint "iris" in namespace "models"`},
		"a file there":     {"create diabetes", 1, "DIR/diabetes.aml.tar is there already: move it away, or give --overwrite"},
		"only a registry":  {"create diabetes --overwrite --registry SITE", 2, "nothing to deploy"},
		"another platform": {"create diabetes --overwrite --platform linux", 1, `platform "linux" is none: write OS/ARCHITECTURE`},
		"no file":          {"load absent.tar", 1, "DIR/absent.tar cannot be read: no such file or directory"},
		"no bundle":        {"load text.tar", 1, "DIR/text.tar: it is no bundle: name a file that kubectl aml bundle create made"},
		"nothing to load":  {"load", 2, "0 arguments where 1 or 2 belong: write kubectl aml bundle load FILE [ENDPOINT]"},
		"a bad name":       {"load diabetes.aml.tar Moved --registry SITE", 1, `endpoint name "Moved"`},
		"no registry":      {"load diabetes.aml.tar --registry layout.localhost", 1, "name a registry that they pull from with --registry"},
		"images to pull": {"load diabetes.aml.tar --registry layout.localhost --values always.yaml", 1, "version blue has imagePullPolicy " +
			"Always, and images in nodes cannot be pulled: set versions.blue.imagePullPolicy to IfNotPresent"},
		"only to a folder":  {"load diabetes.aml.tar --registry layout.localhost --push-only", 2, "--push-only needs a registry to push to"},
		"only, and dry":     {"load diabetes.aml.tar --registry SITE --push-only --dry-run client", 2, "--push-only deploys nothing"},
		"images of others":  {"load diabetes.aml.tar --registry SITE --values other.yaml", 1, "the endpoint would run docker.io/library/haproxy:3, which the bundle does not have"},
		"others, only":      {"load diabetes.aml.tar --registry SITE --values other.yaml --push-only", 1, "would run docker.io/library/haproxy:3"},
		"keys of others":    {"load diabetes.aml.tar --registry SITE --values key.yaml", 1, "there is no secret others in namespace models: the endpoint's keys are to be in it"},
		"no certificate":    {"load diabetes.aml.tar --registry SITE --values tls.yaml", 1, "there is no secret certificate in namespace models: the endpoint speaks TLS"},
		"unknown values":    {"load diabetes.aml.tar --registry SITE --values wrong.yaml", 1, `wrong.yaml: values: unknown field "color"`},
		"nobody listens":    {"load diabetes.aml.tar --registry 127.0.0.1:1", 1, "nothing listens at 127.0.0.1:1"},
		"nothing to show":   {"show text.tar", 1, "it is no bundle"},
		"an unknown format": {"show diabetes.aml.tar -o xml", 2, `output format "xml" is not known here`},
	} {
		r := w.run(append([]string{"bundle"}, strings.Fields(strings.ReplaceAll(c.args, "SITE", site))...)...)
		if r.code != c.code || !strings.Contains(r.err, c.want) || strings.Count(r.err, "error: ") != 1 || r.out != "" {
			t.Errorf("%s: exit code %d, want %d and %q\n%s%s", name, r.code, c.code, c.want, r.out, r.err)
		}
	}
	if got := w.fine(w.run("history", "diabetes")).out; strings.Contains(got, "bundle") {
		t.Errorf("something was loaded:\n%s", got)
	}
}

func TestWhatStaysBehindIsTold(t *testing.T) {
	t.Parallel()
	w, site := packed(t)
	w.write("here.yaml", "imagePullSecrets: [mine]\ntls: {existingSecret: certificate, host: a.example}\n")
	_, err := w.cluster.Clientset.CoreV1().Secrets("models").Create(t.Context(),
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "certificate"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.fine(w.run("bundle", "load", "diabetes.aml.tar", "--registry", site, "--values", "here.yaml", "--wait=false"))
	r := w.fine(w.run("bundle", "create", "diabetes", "--file", "second.tar"))
	for _, want := range []string{"note: the certificate in secret certificate stays here",
		"note: the secrets to pull images with, mine, stay here"} {
		if !strings.Contains(r.err, want) {
			t.Errorf("%q is not told:\n%s", want, r.err)
		}
	}
	w.elsewhere()
	if r := w.run("bundle", "load", "second.tar", "--registry", site); !strings.Contains(r.err, "there is no secret certificate") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
}

func TestWhatBundleCommandsAreCompletedWith(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for args, want := range map[string]string{
		"bundle create --platform ": "all\nlinux/amd64\nlinux/arm64\n:4\n",
		"bundle load ":              ":0\n", // files
		"bundle show ":              ":0\n",
	} {
		if r := w.run(append([]string{"__completeNoDesc"}, strings.Split(args, " ")...)...); r.out != want {
			t.Errorf("%s: completed with %q, want %q", args, r.out, want)
		}
	}
}

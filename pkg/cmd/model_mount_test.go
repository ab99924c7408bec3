// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	k8stesting "k8s.io/client-go/testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
)

// admits has the API server answer what it makes of each pod.
func (w *world) admits(admit func(pod *corev1.Pod) error) {
	w.cluster.Clientset.PrependReactor("create", "pods", func(a k8stesting.Action) (bool, runtime.Object, error) {
		pod := a.(k8stesting.CreateAction).GetObject().(*corev1.Pod).DeepCopy()
		return true, pod, admit(pod)
	})
}

// version is one of the endpoint diabetes, as its release has it.
func (w *world) version(name string) chart.VersionValues {
	w.t.Helper()
	s, err := w.connect(genericclioptions.NewConfigFlags(true))
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := s.Releases.Get(w.t.Context(), "diabetes")
	if err != nil {
		w.t.Fatal(err)
	}
	values, err := chart.ParseValues(r.Values)
	if err != nil {
		w.t.Fatal(err)
	}
	return values.Versions[name]
}

func TestModelsAreMountedAsAVolume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.deploy("blue", "--model-mount", "volume")
	if want := "image: the models are mounted from REGISTRY/diabetes@DIGEST\n"; r.code != 0 || !strings.Contains(r.err, want) {
		t.Fatalf("exit code %d: %s", r.code, r.err)
	}
	blue := w.version("blue")
	pod, _, _ := unstructured.NestedMap(w.cluster.Object("Deployment/diabetes-blue").Object, "spec", "template", "spec")
	volumes, _, _ := unstructured.NestedSlice(pod, "volumes")
	image, _, _ := unstructured.NestedString(volumes[len(volumes)-1].(map[string]any), "image", "reference")
	if image != blue.ModelImage || image == "" || image == blue.Image {
		t.Errorf("%q is mounted, the version has %q and %q", image, blue.ModelImage, blue.Image)
	}
	w.mustDeploy("green")
	green := w.version("green")
	if green.ModelImage != "" || green.ModelDir != blue.ModelDir || blue.ModelDir != "/var/azureml-app/azureml-models/model.txt/1" {
		t.Errorf("with and without a volume: %q in %q, %q in %q", blue.ModelImage, blue.ModelDir, green.ModelImage, green.ModelDir)
	}
	if r := w.run("get", "versions", "diabetes", "-o", "json"); !strings.Contains(r.out, `"modelImage": "`+blue.ModelImage+`"`) {
		t.Errorf("the listing has no model image: %s", r.out)
	}
	if r := w.deploy("green", "--model-mount", "volume", "--dry-run", "client", "-o", "yaml"); r.code != 0 ||
		!strings.Contains(r.err, "image: the models are mounted from REGISTRY/diabetes@DIGEST\n") || w.version("green").ModelImage != "" {
		t.Errorf("a dry run: exit code %d: %s", r.code, r.err)
	}
	if r := w.run("diff", "diabetes", "--version-name", "green", "--entry-script", "score.py", "-m", "model.txt", "--model-mount",
		"volume"); r.code != 1 || !strings.Contains(r.out, "modelImage none → ") {
		t.Errorf("diff: exit code %d: %s%s", r.code, r.out, r.err)
	}
	w.mustDeploy("green", "--model-mount", "volume")
	if r := w.run("history", "diabetes", "--revision", "3"); !strings.Contains(r.out, "version green: modelImage none → ") {
		t.Errorf("history: exit code %d: %s%s", r.code, r.out, r.err)
	}
}

func TestAnUpdateKeepsWhereModelsAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register()
	w.mustDeploy("blue", "--model-mount", "volume")
	w.write("score.py", "def init(): pass\ndef run(data): return 2\n")
	update := func(args ...string) chart.VersionValues {
		t.Helper()
		before := w.version("blue")
		r := w.run(append([]string{"update", "diabetes", "--version-name", "blue", "--entry-script", "score.py", "--wait=false"}, args...)...)
		if r.code != 0 {
			t.Fatalf("%v: exit code %d: %s", args, r.code, r.err)
		}
		if after := w.version("blue"); after.ModelDir == "" || len(after.Models) != 1 || after.Image == before.Image && after.ModelImage == before.ModelImage {
			t.Errorf("%v: %+v", args, after)
		}
		return w.version("blue")
	}
	first := w.version("blue")
	if v := update(); v.ModelImage != first.ModelImage || v.ModelDir != first.ModelDir || v.Models[0] != "local/model.txt:1" {
		t.Errorf("new code: %q in %q: %v", v.ModelImage, v.ModelDir, v.Models)
	}
	v := update("-m", "diabetes:1")
	if v.ModelImage == first.ModelImage || v.ModelImage == "" || v.Models[0] != "diabetes:1" {
		t.Errorf("a new model: %q, %v", v.ModelImage, v.Models)
	}
	if v := update("--model-mount", "image"); v.ModelImage != "" || v.Models[0] != "diabetes:1" {
		t.Errorf("back into the image: %q, %v", v.ModelImage, v.Models)
	}
	if again := update("--model-mount", "volume"); again.ModelImage != v.ModelImage {
		t.Errorf("a volume again: %q, want %q", again.ModelImage, v.ModelImage)
	}
	r := w.run("update", "diabetes", "--version-name", "blue", "--image", w.registry+"/environment:1", "--wait=false")
	if want := "note: the models stay mounted, over what the image has in /var/azureml-app/azureml-models: to have its own, " +
		"give it with kubectl aml deploy\n"; r.code != 0 || strings.Count(r.err, want) != 1 {
		t.Errorf("exit code %d: %s\nwant %s", r.code, r.err, want)
	}
	if after := w.version("blue"); after.ModelImage != v.ModelImage || after.ModelDir != v.ModelDir {
		t.Errorf("another image: %q in %q", after.ModelImage, after.ModelDir)
	}
}

// Nothing is pushed or changed on a cluster that would lose the models.
func TestAClusterThatDoesNotMountModelsIsAskedFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.admits(func(pod *corev1.Pod) error {
		pod.Spec.Volumes, pod.Spec.Containers[0].VolumeMounts = nil, nil
		return nil
	})
	want := "its API server drops the volume: it takes Kubernetes 1.35 or newer, and nodes with a runtime such as containerd " +
		"2.1: use --model-mount image here\n"
	for name, args := range map[string][]string{
		"deploy": {"deploy", "diabetes", "--entry-script", "score.py", "-m", "model.txt", "--model-mount", "volume"},
		"model deploy": {"model", "deploy", "-n", "diabetes", "-m", "model.txt", "--entry-script", "score.py", "--compute-type",
			"AKS", "--model-mount", "volume"},
		"a dry run": {"deploy", "diabetes", "--entry-script", "score.py", "-m", "model.txt", "--model-mount", "volume", "--dry-run",
			"client"},
	} {
		r := w.run(args...)
		if r.code != 1 || !strings.HasSuffix(r.err, want) || strings.Contains(r.err, "pushing") {
			t.Errorf("%s: exit code %d: %s\nwant %s", name, r.code, r.err, want)
		}
	}
	if names := w.cluster.Names(); len(names) > 0 {
		t.Errorf("the cluster has %v", names)
	}
	w.admits(func(*corev1.Pod) error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("exceeded quota: team"))
	})
	if r := w.deploy("blue", "--model-mount", "volume"); r.code != 0 || !strings.Contains(r.err, "warning: whether the cluster can "+
		"mount models as a volume is not known: the cluster takes no pod to try it with: pods is forbidden: exceeded quota: team\n") {
		t.Errorf("a cluster that takes no pods at all: exit code %d: %s", r.code, r.err)
	}
}

func TestWhatModelMountCannotBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("blue")
	for name, c := range map[string]struct{ command, want string }{
		"something else": {"deploy iris --entry-script score.py -m model.txt --model-mount pvc", `--model-mount "pvc": write image or volume`},
		"without models": {"deploy iris --entry-script score.py --model-mount volume",
			"--model-mount volume mounts models: give them with --model"},
		"a ready image": {"deploy iris --image " + w.registry + "/environment:1 --model-mount volume",
			"--image brings its model with it: leave out --model-mount, or the image"},
		"an update without code": {"update diabetes --model-mount volume", "folders, environments and models are packed together " +
			"with the code: give --inference-config or --entry-script too"},
		"an update of a file's model": {"update diabetes --entry-script score.py --model-mount volume",
			"version blue has the model model.txt:1 from a file, which is needed again: give it with --model model.txt:1=PATH"},
		"a package": {"model package -m model.txt --entry-script score.py --model-mount volume",
			"--image, --deploy-config-file and --model-mount are of a deployment, and nothing is deployed: leave them out"},
	} {
		r := w.run(strings.Fields(c.command)...)
		if _, told, _ := strings.Cut(r.err, "error: "); r.code != 2 || strings.TrimSpace(told) != c.want {
			t.Errorf("%s: exit code %d: %s\nwant %s", name, r.code, r.err, c.want)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"
)

// needsBuilding has an environment that is in no registry.
func needsBuilding(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.write("inferenceconfig.json", `{"entryScript": "score.py", "environment": {"name": "sky",
		"docker": {"baseImage": "`+w.registry+`/environment:1"},
		"python": {"condaDependencies": {"dependencies": ["python=3.11", {"pip": ["numpy==2.3.0"]}]}}}}`)
	w.env["DOCKER_HOST"] = "unix://" + w.dir + "/none.sock"
	return w
}

// docker is an engine without BuildKit, of some version of the API.
func docker(t *testing.T, api string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/_ping"):
			w.Header().Set("Api-Version", api)
		case strings.HasSuffix(r.URL.Path, "/info"):
			_, _ = w.Write([]byte(`{"ServerVersion": "19.03"}`))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	return "tcp://" + strings.TrimPrefix(server.URL, "http://")
}

// A model that is nowhere is told of before an environment is built for it.
func TestAMissingModelIsToldBeforeTheBuild(t *testing.T) {
	t.Parallel()
	w := needsBuilding(t)
	delete(w.env, "AML_ENVIRONMENT_IMAGE")
	const config = "--inference-config inferenceconfig.json"
	for name, c := range map[string]struct{ command, want string }{
		"a deployment": {"deploy iris -m nope.pkl " + config, `no model "nope.pkl" is registered in REGISTRY: ` +
			"correct the name, or register it; nor is there a file or folder DIR/nope.pkl"},
		"a dry run": {"deploy iris -m nope.pkl --dry-run client " + config, `no model "nope.pkl" is registered in REGISTRY: ` +
			"correct the name, or register it; nor is there a file or folder DIR/nope.pkl"},
		"a package": {"model package -m nope:2 -ic inferenceconfig.json", `no model "nope" is registered in REGISTRY: ` +
			"correct the name, or register it"},
		"a folder of a build": {"model package -m nope.pkl --output-path context -ic inferenceconfig.json",
			`no model "nope.pkl" is registered in REGISTRY: correct the name, or register it; nor is there a file or folder ` +
				"DIR/nope.pkl"},
	} {
		r := w.run(strings.Fields(c.command)...)
		_, told, _ := strings.Cut(r.err, "error: ")
		if r.code != 1 || told != c.want+"\n" {
			t.Errorf("%s: exit code %d\n%s\nwant\n%s", name, r.code, r.err, c.want)
		}
	}
}

// So is a namespace that is not there.
func TestAMissingNamespaceIsToldBeforeTheBuild(t *testing.T) {
	t.Parallel()
	w := needsBuilding(t)
	delete(w.env, "AML_ENVIRONMENT_IMAGE")
	if err := w.cluster.Clientset.CoreV1().Namespaces().Delete(t.Context(), "models", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"deploy iris --inference-config inferenceconfig.json",
		"model deploy -n iris -m model.txt -cp AKS -ic inferenceconfig.json"} {
		r := w.run(strings.Fields(command)...)
		_, told, _ := strings.Cut(r.err, "error: ")
		if r.code != 1 || told != `namespace "models" does not exist: create it with: kubectl create namespace models`+"\n" {
			t.Errorf("%s: exit code %d\n%s", command, r.code, r.err)
		}
	}
}

// Whoever has nothing that builds is told why, and what would.
func TestNothingBuilds(t *testing.T) {
	t.Parallel()
	const noDocker = "Docker cannot build: no engine answers at unix://DIR/none.sock: start Docker, name another with " +
		"DOCKER_HOST, or build with BuildKit, in the cluster or with ACR Tasks"
	const orCluster = ": or write --builder cluster, and a Job in the cluster builds it\n"
	for name, c := range map[string]struct {
		args      []string
		api, host string
		code      int
		want      string
	}{
		"any builder": {want: "nothing here can build the environment: " + noDocker + orCluster, code: 1},
		"any builder, with a BuildKit": {args: []string{"--buildkit-address", "unix:///none.sock"}, code: 1,
			want: "; " + noDocker + orCluster},
		"the one that was asked for": {args: []string{"--builder", "docker"}, want: "error: " + noDocker + "\n", code: 1},
		"an engine that is too old":  {api: "1.38", want: "is none that builds: API version 1.38 is not supported", code: 1},
		"an engine without BuildKit": {api: "1.41", want: "(19.03) has no BuildKit that answers: update Docker to 20.10", code: 1},
		"an engine of no kind": {host: "gopher://there", code: 1,
			want: "Docker cannot build: the settings of its client are wrong: invalid bind address format: gopher://there"},
		"no builder of the name":          {args: []string{"--builder", "kaniko"}, want: `there is no builder "kaniko"`, code: 2},
		"no address":                      {args: []string{"--builder", "buildkit"}, want: "give its address with --buildkit-address", code: 2},
		"certificates without an address": {args: []string{"--buildkit-certificates", "c"}, want: "its address is \"\"", code: 2},
		"certificates for a socket": {args: []string{"--buildkit-certificates", "c", "--buildkit-address", "unix:///s"},
			want: "are for a BuildKit at tcp://HOST:PORT", code: 2},
		"certificates for another builder": {args: []string{"--buildkit-certificates", "c", "--buildkit-address", "tcp://h:1",
			"--builder", "docker"}, want: "are not for --builder docker", code: 2},
		"amounts for another builder": {args: []string{"--builder", "docker", "--builder-cpu", "4", "--builder-disk", "99Gi"},
			want: "error: only a build in the cluster has --builder-cpu, --builder-disk: write --builder cluster, or leave it out\n", code: 2},
		"what is no amount": {args: []string{"--builder", "cluster", "--builder-memory", "8GB"},
			want: "error: --builder-memory \"8GB\" is not a quantity: write one such as 8Gi\n", code: 2},
		"too little": {args: []string{"--builder", "cluster", "--builder-memory", "8"},
			want: "error: --builder-memory 8 is too little to build with: write 256Mi or more, such as 8Gi\n", code: 2},
		"no subscription": {args: []string{"--builder", "acr"}, code: 2,
			want: "set AZURE_SUBSCRIPTION_ID, or run az login, or write --subscription"},
		"certificates that are not there": {args: []string{"--buildkit-certificates", "c", "--buildkit-address", "tcp://h:1",
			"--builder", "buildkit"}, want: "stat DIR/c/ca.pem: no such file", code: 1},
		"a CA file that is none": {args: []string{"--registry-ca", "score.py"}, want: "DIR/score.py holds no certificate", code: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := needsBuilding(t)
			if c.api != "" {
				c.host = docker(t, c.api)
			}
			if c.host != "" {
				w.env["DOCKER_HOST"] = c.host
			}
			got := w.run(append([]string{"build", "--inference-config", "inferenceconfig.json"}, c.args...)...)
			if got.code != c.code || !strings.Contains(got.err, c.want) || got.out != "" {
				t.Errorf("ended with %d and told\n%s%s\nwant %d and\n%s", got.code, got.out, got.err, c.code, c.want)
			}
		})
	}
}

// The engine that is asked is the one of Docker's context, and what is told of it
// says so.
func TestTheEngineOfAContextIsAsked(t *testing.T) {
	t.Parallel()
	w := needsBuilding(t)
	delete(w.env, "DOCKER_HOST")
	w.env["DOCKER_CONFIG"] = w.dir
	w.write("config.json", `{"currentContext": "colima"}`)
	const id = "f24fd3749c1368328e2b149bec149cb6795619f244c5b584e844961215dadd16"
	if err := os.MkdirAll(w.dir+"/contexts/meta/"+id, 0o700); err != nil {
		t.Fatal(err)
	}
	w.write("contexts/meta/"+id+"/meta.json", `{"Name": "colima", "Endpoints": {"docker": {"Host": "unix:///none.sock"}}}`)
	for name, c := range map[string]struct{ context, want string }{
		"the chosen": {"", `no engine answers at unix:///none.sock of context "colima": start Docker, `},
		"the named": {"mine", `there is no context "mine" in DIR/contexts: correct DOCKER_CONTEXT to one that "docker context ` +
			`ls" shows`},
	} {
		w.env["DOCKER_CONTEXT"] = c.context
		for builder, begins := range map[string]string{"docker": "error: ", "auto": "error: nothing here can build the environment: "} {
			want := begins + "Docker cannot build: " + c.want
			got := w.run("build", "--inference-config", "inferenceconfig.json", "--builder", builder)
			if got.code != 1 || !strings.Contains(got.err, want) {
				t.Errorf("%s: ended with %d and told\n%s\nwant\n%s", name, got.code, got.err, want)
			}
		}
	}
}

// A build in the cluster may use what is said.
func TestWhatABuildInTheClusterMayUse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"by default": {nil, "2 4Gi 50Gi, of which 500m 1Gi 12800Mi"},
		"as is said": {[]string{"--builder-cpu", "8", "--builder-memory", "32Gi", "--builder-disk", "200Gi"},
			"8 32Gi 200Gi, of which 2 8Gi 50Gi"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, got := needsBuilding(t), ""
			w.cluster.Clientset.PrependReactor("create", "pods", func(a k8stesting.Action) (bool, runtime.Object, error) {
				has := a.(k8stesting.CreateAction).GetObject().(*corev1.Pod).Spec.Containers[0].Resources
				got = amounts(has.Limits) + ", of which " + amounts(has.Requests)
				return true, nil, apierrors.NewForbidden(corev1.Resource("pods"), "", errors.New("exceeded quota: small, "+
					"requested: limits.cpu=8"))
			})
			told := w.run(append([]string{"build", "--inference-config", "inferenceconfig.json", "--builder", "cluster"}, c.args...)...)
			if got != c.want || !strings.Contains(told.err, "limits.cpu=8: lower --builder-cpu\n") {
				t.Errorf("got %s, want %s\n%s", got, c.want, told.err)
			}
		})
	}
}

func amounts(of corev1.ResourceList) string {
	disk := of[corev1.ResourceEphemeralStorage]
	return of.Cpu().String() + " " + of.Memory().String() + " " + disk.String()
}

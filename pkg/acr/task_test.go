// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package acr

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	acr "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerregistry/armcontainerregistry"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerregistry/armcontainerregistry/fake"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/internal/golden"
	"github.com/kubectl-aml/kubectl-aml/pkg/build"
)

func TestWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		r       build.Request
		secrets map[string][]byte
	}{
		"plain": {r: build.Request{Platform: "linux/amd64"}},
		"all": {r: build.Request{Platform: "linux/arm64", Arguments: map[string]string{"B": "2,x", "A": "1"}},
			secrets: map[string][]byte{"pip.conf": []byte("[global]\n"), "ca.crt": []byte("-----BEGIN")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps, values := newTask(test.r, server+"/environments:build-1", test.secrets, time.Hour)
			text, err := yaml.Marshal(steps)
			if err != nil {
				t.Fatal(err)
			}
			golden.Assert(t, "testdata/"+name+".task.yaml", string(text))
			run, err := newRun(steps, values, test.r.Platform, "source/1.tar.gz", time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			body, err := json.MarshalIndent(run, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden.Assert(t, "testdata/"+name+".run.json", string(body)+"\n")
		})
	}
}

// The SDK's own server, which reads requests as the service is described, reads
// what is asked for.
func TestTheSDKReadsTheRequest(t *testing.T) {
	t.Parallel()
	var got *acr.EncodedTaskRunRequest
	transport := fake.NewRegistriesServerTransport(&fake.RegistriesServer{BeginScheduleRun: func(
		_ context.Context, _, _ string, r acr.RunRequestClassification, _ *acr.RegistriesClientBeginScheduleRunOptions,
	) (resp azfake.PollerResponder[acr.RegistriesClientScheduleRunResponse], err azfake.ErrorResponder) {
		got, _ = r.(*acr.EncodedTaskRunRequest)
		resp.SetTerminalResponse(http.StatusOK, acr.RegistriesClientScheduleRunResponse{}, nil)
		return resp, err
	}})
	client, err := acr.NewRegistriesClient("s", &token{}, &arm.ClientOptions{ClientOptions: policy.ClientOptions{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	steps, values := newTask(build.Request{Platform: "linux/arm64"}, "image", map[string][]byte{"pip.conf": []byte("x")}, time.Hour)
	asked, err := newRun(steps, values, "linux/arm64", "source/1.tar.gz", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.BeginScheduleRun(t.Context(), "ml", "myregistry", asked, nil); err != nil || got == nil {
		t.Fatalf("read %v: %v", got, err)
	}
	if *got.Platform.Architecture != acr.ArchitectureArm64 || *got.Timeout != 3600 || *got.SourceLocation != "source/1.tar.gz" ||
		*got.Values[0].Value != "eA==" || !*got.Values[0].IsSecret {
		t.Errorf("read %+v", got)
	}
	if text, err := base64.StdEncoding.DecodeString(*got.EncodedTaskContent); err != nil ||
		!strings.Contains(string(text), "{{.Values.secret0}}") {
		t.Errorf("the task is %s: %v", text, err)
	}
}

func TestRefusesWhatATaskCannotSay(t *testing.T) {
	t.Parallel()
	err := check(build.Request{Platform: "windows/amd64", Arguments: map[string]string{
		"OK": "a-b_c/d:1.2@x%y+z=1,2", "CMD": "$(id)", "TEMPLATE": "{{.Run.ID}}", "SPACE": "a b", "NA-ME": "1", "LINE": "a\nb",
	}}, map[string][]byte{"pip.conf": nil, "a;b": nil, "big": make([]byte, secretsLimit+1)})
	want := `platform "windows/amd64" is none that ACR Tasks builds for here: write linux/amd64 or linux/arm64
build argument CMD="$(id)": ACR Tasks takes letters, digits and _./:@%+=,- only: write it into the Dockerfile
build argument LINE="a\nb": ACR Tasks takes letters, digits and _./:@%+=,- only: write it into the Dockerfile
build argument NA-ME="1": ACR Tasks takes letters, digits and _./:@%+=,- only: write it into the Dockerfile
build argument SPACE="a b": ACR Tasks takes letters, digits and _./:@%+=,- only: write it into the Dockerfile
build argument TEMPLATE="{{.Run.ID}}": ACR Tasks takes letters, digits and _./:@%+=,- only: write it into the Dockerfile
secret "a;b": its id has letters, digits and _.- only
the secrets are 2097153 bytes together, ACR Tasks takes 2097152: give fewer, or another builder`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestPlatforms(t *testing.T) {
	t.Parallel()
	for platform, want := range map[string]string{
		"linux/amd64": "Linux amd64", "linux/arm64": "Linux arm64", "linux/arm/v7": "Linux arm v7",
		"linux": "", "linux/riscv64": "", "windows/amd64": "", "": "", "linux/arm/v7/x": "",
	} {
		p, err := platformOf(platform)
		got := ""
		if err == nil {
			got = strings.TrimSpace(string(*p.OS) + " " + string(*p.Architecture) + " " + string(value(p.Variant)))
		}
		if got != want {
			t.Errorf("%q: %q, %v", platform, got, err)
		}
	}
}

func TestSameRequestSameTagAndContext(t *testing.T) {
	t.Parallel()
	r := build.Request{Dockerfile: "FROM a\n", Platform: "linux/amd64", Arguments: map[string]string{"A": "1", "B": "2"}}
	if got := tagOf(r); got != "build-865be6992b62c4266f78c4055b256412" {
		t.Errorf("tag %s", got)
	}
	other := r
	other.Platform = "linux/arm64"
	one, err1 := source(r.Dockerfile)
	two, err2 := source(r.Dockerfile)
	if err1 != nil || err2 != nil || !bytes.Equal(one, two) || tagOf(other) == tagOf(r) {
		t.Errorf("another context, or the same tag: %v, %v", err1, err2)
	}
}

func TestFindsTheStepThatFailed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ log, want string }{
		"base image is not there": {"#2 [internal] load metadata for docker.io/library/none:1\n" +
			"#2 ERROR: docker.io/library/none:1: not found\n#3 [1/1] FROM docker.io/library/none:1",
			"step \"[internal] load metadata for docker.io/library/none:1\" of the build failed\n  docker.io/library/none:1: not found"},
		"lines of two steps mixed": {"#5 [a 2/3] RUN one\n#6 [b 2/2] RUN two\n#5 0.1 of one\n#6 0.1 of two\n#5 CANCELED\n" +
			`#6 ERROR: process "/bin/sh -c two" did not complete successfully: exit code: 127`,
			"step \"RUN two\" of the build ended with 127\n  of two"},
		"only the last lines": {"#5 [1/1] RUN x\n" + strings.Repeat("#5 0.1 noise\n", 30) + "#5 0.2 why\n" +
			`#5 ERROR: process "x" did not complete successfully: exit code: 1`,
			"step \"RUN x\" of the build ended with 1" + strings.Repeat("\n  noise", tail-1) + "\n  why"},
		"the first of two": {"#5 [1/2] RUN one\n#6 [2/2] RUN two\n" +
			"#5 ERROR: process \"one\" did not complete successfully: exit code: 3\n#6 ERROR: gone too",
			"step \"RUN one\" of the build ended with 3"},
		"none failed": {"#1 [1/1] RUN x\n#1 DONE 0.1s\nERROR: elsewhere", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var told transcript
			for line := range strings.SplitSeq(test.log, "\n") {
				told.line(line)
			}
			got := ""
			if told.failed != nil {
				got = told.failed.Error()
			}
			if got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

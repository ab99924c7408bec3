// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package acr

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/internal/armfake"
	"github.com/kubectl-aml/kubectl-aml/pkg/build"
)

func TestBuildsInTheRegistry(t *testing.T) {
	t.Parallel()
	// The registry is on the second page of the list, beside one of its name.
	s, told := armfake.New(t, armfake.Options{}), &lines{}
	for _, r := range []armfake.Registry{
		{Group: "ml", Name: "one"}, {Group: "ml", Name: "two"},
		{Group: "others", Name: "myRegistry", Server: "myregistry-a1b2c3.azurecr.io"}, {Group: "ml", Name: "myRegistry"},
	} {
		s.AddRegistry(r)
	}
	secret := filepath.Join(t.TempDir(), "pip.conf")
	if err := os.WriteFile(secret, []byte("[global]\nindex-url = https://me:hidden@example.com\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := request(told)
	r.Secrets, r.Arguments = map[string]string{"pip.conf": secret}, map[string]string{"VERSION": "3.12"}
	b := builder(t, s, told, nil)
	got, err := b.Build(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	asked := s.Builds()
	if len(asked) != 1 || asked[0].Dockerfile != r.Dockerfile || asked[0].Platform != "linux/amd64" ||
		!strings.HasPrefix(asked[0].Image, server+"/environments:build-") ||
		!strings.Contains(strings.Join(asked[0].Words, " "), "--build-arg VERSION=3.12") {
		t.Errorf("asked to build %+v", asked)
	}
	if want := map[string]string{"pip.conf": "[global]\nindex-url = https://me:hidden@example.com\n"}; !maps.Equal(asked[0].Secrets, want) {
		t.Errorf("secrets %q", asked[0].Secrets)
	}
	if strings.Contains(asked[0].Task, "hidden") || strings.Contains(told.String(), "hidden") {
		t.Errorf("the secret is in the task %s or in what was told %s", asked[0].Task, told)
	}
	config, err := got.Image.ConfigFile()
	if err != nil || config.Architecture != "amd64" {
		t.Errorf("the image is %+v: %v", config, err)
	}
	if err := errors.Join(got.Close(), got.Close()); err != nil || b.Name() != "ACR Tasks of "+server {
		t.Errorf("closed with %v, name %q", err, b.Name())
	}
	// Each line of the log once and whole, between the states of the run.
	for _, line := range []string{
		"run cb1: started", "run cb1: running", "run cb1: succeeded",
		"#3 [2/2] RUN --mount=type=secret,id=pip.conf pip install numpy", "Run ID: cb1 was successful after 9s",
	} {
		if n := strings.Count("\n"+told.String()+"\n", "\n"+line+"\n"); n != 1 {
			t.Errorf("%q was told %d times in\n%s", line, n, told)
		}
	}
}

// What was built is read by the digest of the run, or by the tag if the run does
// not tell it.
func TestReadsWhatWasPushed(t *testing.T) {
	t.Parallel()
	for name, anonymous := range map[string]bool{"by digest": false, "by tag": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, told := azure(t), &lines{}
			s.NextRun(armfake.Run{Anonymous: anonymous})
			got, err := builder(t, s, told, nil).Build(t.Context(), request(told))
			if err != nil {
				t.Fatal(err)
			}
			digest, err := got.Image.Digest()
			if err != nil {
				t.Fatal(err)
			}
			if n := s.Count("^GET /v2/environments/manifests/" + digest.String()); (n == 0) != anonymous {
				t.Errorf("read by digest %d times", n)
			}
		})
	}
}

func TestTroubleThatPasses(t *testing.T) {
	t.Parallel()
	busy := armfake.Fault{Status: http.StatusTooManyRequests, Headers: retryAfter("0"),
		Body: `{"error":{"code":"TooManyRequests","message":"Slow down."}}`}
	of := func(match string) armfake.Fault { f := busy; f.Match = match; return f }
	for name, faults := range map[string][]armfake.Fault{
		"throttled everywhere": {of(armfake.ListRegistries), of(armfake.UploadURL), of(armfake.ScheduleRun), of(armfake.GetRun)},
		"upload dropped":       {{Match: armfake.Upload, DropBefore: true}},
		"upload dropped after": {{Match: armfake.Upload, DropAfter: true}},
		"upload busy":          {{Match: armfake.Upload, Status: http.StatusServiceUnavailable}},
		"no address of a log":  {{Match: armfake.LogURL, Status: http.StatusNotFound, Times: 2}},
		"log is not there":     {{Match: armfake.ReadLog, Status: http.StatusNotFound, Times: 2}},
		"address has ended":    {{Match: armfake.ReadLog, Status: http.StatusForbidden}},
		"log dropped":          {{Match: armfake.ReadLog, DropBefore: true}},
		"look at run dropped":  {{Match: armfake.GetRun, DropBefore: true, Times: 2}},
		"no log at all":        {{Match: armfake.ReadLog, Status: http.StatusNotFound, Times: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, told := azure(t), &lines{}
			s.Fault(faults...)
			if _, err := builder(t, s, told, nil).Build(t.Context(), request(told)); err != nil {
				t.Fatal(err)
			}
			if n := len(s.Builds()); n != 1 {
				t.Errorf("%d runs", n)
			}
			if name == "address has ended" && s.Count(armfake.LogURL) != 2 {
				t.Errorf("asked for an address %d times", s.Count(armfake.LogURL))
			}
			if name != "no log at all" && strings.Count(told.String(), "Run ID: cb1 was successful") != 1 {
				t.Errorf("told\n%s", told)
			}
		})
	}
}

func TestTroubleThatStays(t *testing.T) {
	t.Parallel()
	answer := func(match string, status int, code, message string) []armfake.Fault {
		return []armfake.Fault{{Match: match, Status: status, Times: -1,
			Body: `{"error":{"code":"` + code + `","message":"` + message + `","target":"request"}}`}}
	}
	for name, test := range map[string]struct {
		faults      []armfake.Fault
		change      func(*Options)
		runs        int
		unavailable bool
		want        string
	}{
		"free subscription": {faults: answer(armfake.ScheduleRun, http.StatusBadRequest, "TasksOperationsNotAllowed",
			"ACR Tasks requests for the registry are not permitted."), unavailable: true,
			want: "ACR Tasks cannot build: Azure allows no ACR Tasks in this subscription, as in those that are free or new: " +
				"write another --builder, or ask Azure's support to allow them"},
		"another subscription": {change: func(o *Options) { o.Azure.Subscription = "other" }, unavailable: true,
			want: "ACR Tasks cannot build: subscription other has no container registry myregistry.azurecr.io: " +
				"write --subscription or AZURE_SUBSCRIPTION_ID with that of the registry, or correct the name"},
		"no right to list": {faults: answer(armfake.ListRegistries, http.StatusForbidden, "AuthorizationFailed",
			"The client does not have authorization to perform action 'Microsoft.ContainerRegistry/registries/read'."), unavailable: true,
			want: "ACR Tasks cannot build: subscription " + armfake.Subscription + ": The client does not have authorization to perform " +
				"action 'Microsoft.ContainerRegistry/registries/read' (AuthorizationFailed): ask for the role Reader on the " +
				"resource group, which has the action Microsoft.ContainerRegistry/registries/read"},
		"no right to run": {faults: answer(armfake.ScheduleRun, http.StatusForbidden, "AuthorizationFailed",
			"No right to perform action 'Microsoft.ContainerRegistry/registries/scheduleRun/action'."), unavailable: true,
			want: "ACR Tasks cannot build: registry myregistry.azurecr.io: No right to perform action 'Microsoft.ContainerRegistry/" +
				"registries/scheduleRun/action' (AuthorizationFailed): ask for the role Container Registry Tasks Contributor on " +
				"the registry, which has the action Microsoft.ContainerRegistry/registries/scheduleRun/action"},
		"upload refused": {faults: []armfake.Fault{{Match: armfake.Upload, Status: http.StatusForbidden, Times: -1,
			Headers: map[string]string{"X-Ms-Error-Code": "AuthenticationFailed"}}},
			want: "registry myregistry.azurecr.io: the Dockerfile cannot be uploaded: its storage answered 403 " +
				"AuthenticationFailed: run the command again"},
		"storage without TLS": {faults: []armfake.Fault{{Match: armfake.UploadURL, Status: http.StatusOK,
			Body: `{"uploadUrl":"http://storage.example.com/x?sig=s","relativePath":"x"}`}},
			want: "registry myregistry.azurecr.io: the Dockerfile cannot be uploaded: the address of its storage is none with https"},
		"upload always dropped": {faults: []armfake.Fault{{Match: armfake.Upload, DropBefore: true, Times: -1}},
			want: "registry myregistry.azurecr.io: the Dockerfile cannot be uploaded: EOF: run the command again"},
		// A second request might be a second run.
		"answer about the run lost": {faults: []armfake.Fault{{Match: armfake.ScheduleRun, DropAfter: true}}, runs: 1,
			want: "registry myregistry.azurecr.io: Azure cannot be reached (EOF): run the command again"},
		"what was built cannot be read": {faults: []armfake.Fault{{Match: "^GET /v2/environments/manifests/", Times: -1,
			Status: http.StatusForbidden, Body: `{"errors":[{"code":"DENIED","message":"no"}]}`}}, runs: 1,
			want: "was built, but cannot be read: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, told := azure(t), &lines{}
			s.Fault(test.faults...)
			_, err := builder(t, s, told, test.change).Build(t.Context(), request(told))
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "sig=") {
				t.Errorf("ended with %v\nwant %s", err, test.want)
			}
			var off *build.UnavailableError
			if errors.As(err, &off) != test.unavailable {
				t.Errorf("unavailable: %v", off)
			}
			if n := len(s.Builds()); n != test.runs {
				t.Errorf("%d runs", n)
			}
			s.Heal()
		})
	}
}

func TestRunsThatEndBadly(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		run  armfake.Run
		want string
	}{
		"step fails": {armfake.Run{Status: "Failed", Log: []string{
			"#7 [2/3] RUN pip install   nothing", "#7 0.512 Collecting nothing", "#7 0.9 ERROR: No matching distribution found",
			`#7 ERROR: process "/bin/sh -c pip install nothing" did not complete successfully: exit code: 1`,
			"------", "failed to run step ID: acb_step_0: exit status 1",
		}}, "step \"RUN pip install nothing\" of the build ended with 1\n  Collecting nothing\n  ERROR: No matching distribution found"},
		"push is refused": {armfake.Run{Status: "Failed", Message: "failed during run,  err: exit status 1.", Log: []string{
			"Pushing image", "unauthorized: authentication required",
		}}, "run cb1 of registry myregistry.azurecr.io failed: failed during run, err: exit status 1: images to start from have to be " +
			"public or in this registry, and a registry with the mode \"RBAC Registry + ABAC Repository Permissions\" gives ACR Tasks " +
			"no right to push: write another --builder\n  Pushing image\n  unauthorized: authentication required"},
		"fails and says nothing": {armfake.Run{Status: "Failed", Log: []string{}},
			"run cb1 of registry myregistry.azurecr.io failed: see az acr task logs -r myRegistry --run-id cb1"},
		"canceled": {armfake.Run{Status: "Canceled"},
			"run cb1 of registry myregistry.azurecr.io was canceled in Azure: run the command again"},
		"takes too long": {armfake.Run{Status: "Timeout"},
			"run cb1 of registry myregistry.azurecr.io took longer than 2h0m0s: see az acr task logs -r myRegistry --run-id cb1"},
		"ACR Tasks fails": {armfake.Run{Status: "Error", Message: "No agent."},
			"run cb1 of registry myregistry.azurecr.io ended as Error: No agent: run the command again; " +
				"see az acr task logs -r myRegistry --run-id cb1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, told := azure(t), &lines{}
			s.NextRun(test.run)
			_, err := builder(t, s, told, nil).Build(t.Context(), request(told))
			if err == nil || err.Error() != test.want {
				t.Errorf("ended with\n%v\nwant\n%s", err, test.want)
			}
		})
	}
}

// What a step prints of a secret, or of what moves a terminal, is not told, also not
// as the cause of a failure.
func TestSecretsInALogAreNotTold(t *testing.T) {
	t.Parallel()
	s, told := azure(t), &lines{}
	file := filepath.Join(t.TempDir(), "pip.conf")
	if err := os.WriteFile(file, []byte("[global]\nindex-url = https://me:hidden-word@pypi.example.com/simple\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.NextRun(armfake.Run{Status: "Failed", Log: []string{
		"#7 [2/3] RUN cat /etc/pip.conf", "#7 0.5 index-url = https://me:hidden-word@pypi.example.com/simple", "#7 0.6 \x1b[31mred",
		`#7 ERROR: process "/bin/sh -c cat" did not complete successfully: exit code: 1`,
	}})
	r := request(told)
	r.Secrets = map[string]string{"pip.conf": file}
	_, err := builder(t, s, told, nil).Build(t.Context(), r)
	const want = "step \"RUN cat /etc/pip.conf\" of the build ended with 1\n  index-url = https://***@pypi.example.com/simple\n  red"
	if err == nil || err.Error() != want {
		t.Errorf("ended with\n%v\nwant\n%s", err, want)
	}
	if all := told.String(); strings.Contains(all, "hidden-word") || strings.Contains(all, "\x1b") || !strings.Contains(all, "0.6 red") {
		t.Errorf("told\n%q", all)
	}
}

// What ends the command ends the run, also one whose answer is still to come.
func TestCancelsTheRun(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]string{"while it runs": "run cb1: running", "while it is asked for": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, told := azure(t), &lines{}
			s.NextRun(armfake.Run{Endless: true})
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			r := request(told)
			r.Log = func(line string) {
				if line == when {
					stop()
				}
			}
			b := builder(t, s, told, func(o *Options) {
				if when == "" {
					o.Azure.Transport = stopAt{s.Client(), "/scheduleRun", stop}
				}
			})
			if _, err := b.Build(ctx, r); !errors.Is(err, context.Canceled) {
				t.Errorf("ended with %v", err)
			}
			if s.RunStatus() != "Canceled" || s.Count(armfake.CancelRun) != 1 {
				t.Errorf("the run is %s", s.RunStatus())
			}
		})
	}
}

// stopAt ends the command before a request for path is sent.
type stopAt struct {
	*http.Client
	path string
	stop func()
}

func (s stopAt) Do(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, s.path) {
		s.stop()
	}
	return s.Client.Do(r)
}

func TestRefusesOtherRegistries(t *testing.T) {
	t.Parallel()
	for _, registry := range []string{"localhost:5001", "ghcr.io/team", "myregistry.azurecr.io.example.com", "azurecr.io", ""} {
		_, err := Tasks(&token{}, registry, Options{})
		var off *build.UnavailableError
		if !errors.As(err, &off) || !strings.Contains(err.Error(), "write --registry NAME.azurecr.io, or another --builder") {
			t.Errorf("%s: %v", registry, err)
		}
	}
	b, err := Tasks(&token{}, "other.azurecr.cn/team/", Options{})
	if err != nil || b.Name() != "ACR Tasks of other.azurecr.cn" {
		t.Errorf("%v: %v", b, err)
	}
}

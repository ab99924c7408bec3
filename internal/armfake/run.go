// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package armfake

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Run is how a run of ACR Tasks goes.
type Run struct {
	// Log are the lines of its log; some usual ones if nil.
	Log []string
	// Status is how it ends; Succeeded if empty. Endless never ends by itself.
	Status  string
	Endless bool
	// Message is the one of ACR Tasks itself.
	Message string
	// Anonymous is a run that does not tell what it has pushed.
	Anonymous bool
}

// run is one that was scheduled.
type run struct {
	Run
	id     string
	on     *registry
	build  Build
	looks  int // that were had at it
	polls  int // that find it running
	status string
	digest string
}

// Build is what a run was asked to build.
type Build struct {
	// Task is the text of the task, Values what is filled into it.
	Task   string
	Values map[string]string
	// Dockerfile is the one of the context, Image what is pushed.
	Dockerfile, Image string
	// Platform is as the build step has it, Secrets are what it mounts.
	Platform string
	Secrets  map[string]string
	// Words are those of the build step.
	Words []string
}

// NextRun says how the next run goes that is scheduled.
func (s *Server) NextRun(r ...Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, r...)
}

// Builds are what was asked for, in turn.
func (s *Server) Builds() []Build {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Build
	for _, r := range s.runs {
		all = append(all, r.build)
	}
	return all
}

// RunStatus is the status of the run that was scheduled last; empty if there is none.
func (s *Server) RunStatus() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.runs) == 0 {
		return ""
	}
	return s.runs[len(s.runs)-1].status
}

func (s *Server) uploadURL(w http.ResponseWriter, r *http.Request, parts []string) {
	if s.registryIn(w, parts) == nil {
		return
	}
	s.serial++
	path := fmt.Sprintf("source/202601010000/%032d.tar.gz", s.serial)
	s.blobs[path] = nil
	sayJSON(w, http.StatusOK, map[string]any{
		"relativePath": path, "uploadUrl": "https://" + r.Host + "/storage/" + path + "?sv=2021-01-01&sr=b&sig=" + signature,
	})
}

func (s *Server) scheduleRun(w http.ResponseWriter, r *http.Request, parts []string) {
	on := s.registryIn(w, parts)
	if on == nil {
		return
	}
	b, err := s.readBuild(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, "BadRequest", err.Error())
		return
	}
	one := &run{id: fmt.Sprintf("cb%d", len(s.runs)+1), on: on, build: b, status: "Queued", polls: s.o.Polls}
	if len(s.script) > 0 {
		one.Run, s.script = s.script[0], s.script[1:]
	}
	one.Status = cmp.Or(one.Status, "Succeeded")
	if one.Log == nil {
		one.Log = usualLog(b)
	}
	s.runs = append(s.runs, one)
	sayJSON(w, http.StatusOK, one.body())
}

// runRequest is the body of a request for a run.
type runRequest struct {
	Type               string `json:"type"`
	EncodedTaskContent string `json:"encodedTaskContent"`
	SourceLocation     string `json:"sourceLocation"`
	Timeout            int    `json:"timeout"`
	Values             []struct {
		Name     string `json:"name"`
		Value    string `json:"value"`
		IsSecret bool   `json:"isSecret"`
	} `json:"values"`
	Platform struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
	} `json:"platform"`
}

// readBuild reads a request as ACR Tasks and its acb do.
func (s *Server) readBuild(r *http.Request) (Build, error) {
	var request runRequest
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		return Build{}, err
	}
	text, err := base64.StdEncoding.DecodeString(request.EncodedTaskContent)
	if err != nil || request.Type != "EncodedTaskRunRequest" || request.Platform.OS != "Linux" {
		return Build{}, fmt.Errorf("the run request is none of an encoded task on Linux: %w", err)
	}
	if request.Timeout < 300 || request.Timeout > 28800 {
		return Build{}, fmt.Errorf("the timeout %d is not between 300 and 28800", request.Timeout)
	}
	b := Build{Task: string(text), Values: map[string]string{}}
	for _, v := range request.Values {
		b.Values[v.Name] = v.Value
		if !v.IsSecret {
			return Build{}, fmt.Errorf("the value %s is not marked as secret", v.Name)
		}
	}
	if err := b.readTask(); err != nil {
		return Build{}, err
	}
	b.Dockerfile, err = readSource(s.blobs[request.SourceLocation])
	return b, err
}

// body is a run as it is answered.
func (r *run) body() map[string]any {
	p := map[string]any{
		"runId": r.id, "status": r.status, "provisioningState": "Succeeded", "runType": "QuickRun",
		"createTime": "2026-01-01T00:00:00Z", "platform": map[string]any{"os": "linux", "architecture": "amd64"},
		"agentConfiguration": map[string]any{"cpu": 2}, "isArchiveEnabled": false,
	}
	if r.ended() && r.Message != "" {
		p["runErrorMessage"] = r.Message
	}
	if r.digest != "" && !r.Anonymous {
		repository, tag, _ := strings.Cut(strings.TrimPrefix(r.build.Image, r.on.Server+"/"), ":")
		p["outputImages"] = []any{map[string]any{
			"registry": r.on.Server, "repository": repository, "tag": tag, "digest": r.digest}}
	}
	return map[string]any{
		"type": "Microsoft.ContainerRegistry/registries/runs", "id": r.on.id() + "/runs/" + r.id, "name": r.id,
		"properties": p,
	}
}

func (r *run) ended() bool { return r.status == r.Status || r.status == "Canceled" }

// runIn answers with 404 if there is no run.
func (s *Server) runIn(w http.ResponseWriter, parts []string) *run {
	for _, r := range s.runs {
		if r.id == parts[3] && strings.EqualFold(r.on.Name, parts[2]) {
			return r
		}
	}
	refuse(w, http.StatusNotFound, "ResourceNotFound", "The run "+parts[3]+" was not found.")
	return nil
}

// getRun moves a run on by one.
func (s *Server) getRun(w http.ResponseWriter, _ *http.Request, parts []string) {
	r := s.runIn(w, parts)
	if r == nil {
		return
	}
	r.looks++
	switch {
	case r.ended():
	case r.looks == 1:
		r.status = "Started"
	case r.looks < 2+r.polls || r.Endless:
		r.status = "Running"
	default:
		r.status = r.Status
		if r.status == "Succeeded" {
			if err := r.push(); err != nil {
				r.status, r.Message = "Failed", err.Error()
			}
		}
	}
	sayJSON(w, http.StatusOK, r.body())
}

func (s *Server) cancelRun(w http.ResponseWriter, _ *http.Request, parts []string) {
	if r := s.runIn(w, parts); r != nil {
		if !r.ended() {
			r.status = "Canceled"
		}
		w.WriteHeader(http.StatusOK)
	}
}

func (s *Server) logURL(w http.ResponseWriter, r *http.Request, parts []string) {
	if one := s.runIn(w, parts); one != nil {
		sayJSON(w, http.StatusOK, map[string]any{
			"logLink": "https://" + r.Host + "/storage/logs/" + one.id + "/rawtext.log?sv=2021-01-01&sr=b&sig=" + signature})
	}
}

// usualLog is what acb and docker build say of a build that goes well.
func usualLog(b Build) []string {
	lines := []string{
		"2026/01/01 00:00:00 Downloading source code...", "2026/01/01 00:00:01 Setting up Docker configuration...",
		"#1 [internal] load build definition from Dockerfile", "#1 DONE 0.0s",
	}
	steps := strings.Split(strings.TrimSpace(b.Dockerfile), "\n")
	for i, text := range steps {
		lines = append(lines, fmt.Sprintf("#%d [%d/%d] %s", i+2, i+1, len(steps), text), fmt.Sprintf("#%d DONE 0.1s", i+2))
	}
	return append(lines, "2026/01/01 00:00:09 Successfully pushed image: "+b.Image, "Run ID: cb1 was successful after 9s")
}

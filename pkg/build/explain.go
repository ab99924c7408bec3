// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// failure is why there is no image, in one line. It wraps what the builder said.
type failure struct {
	name, what, advice string
	err                error
}

// Error is one line.
func (f *failure) Error() string {
	return fmt.Sprintf("cannot build %s: %s: %s", f.name, f.what, f.advice)
}

// Unwrap is what the builder said.
func (f *failure) Unwrap() error { return f.err }

var exitCode = regexp.MustCompile(`exit code: (\d+)\s*$`)

// explain tells why a build failed; said is what was told of it, nil for nothing.
func explain(ctx context.Context, err error, r Request, said *progress) error {
	var unavailable *UnavailableError
	if errors.As(err, &unavailable) {
		return err
	}
	if ended := context.Cause(ctx); ended != nil {
		return fmt.Errorf("the build of %s was ended: %w", r.Name, ended)
	}
	text, place := oneLine(err.Error()), ""
	if s := said.failed(); s != nil {
		code := exitCode.FindStringSubmatch(s.failure)
		if code != nil && s.number != "" {
			n, _ := strconv.Atoi(code[1])
			return &StepError{Step: said.hidden.out(s.title), Code: n, Tail: s.tail}
		}
		place = s.title
	}
	f := &failure{name: r.Name, err: err}
	f.what, f.advice = reason(err, text, place)
	if said != nil {
		f.what = said.hidden.out(f.what)
	}
	return f
}

var (
	imageOf  = regexp.MustCompile(`(?:load metadata for|resolve image config for|^FROM) (?:docker-image://)?(\S+)`)
	parsing  = regexp.MustCompile(`dockerfile parse error(?: on)? line (\d+): (.*)$`)
	missing  = regexp.MustCompile(`(?:cache key|checksum of ref \S+): ("[^"]*")`)
	noSecret = regexp.MustCompile(`secret (\S+?):? not found`)
	prefixes = regexp.MustCompile(`^(?:failed to solve(?: with frontend [\w.]+)?|failed to create LLB definition|` +
		`rpc error: code = \w+ desc =|failed to fetch \S+ token):? |^.*failed to do request: `)
)

// reason is what happened and what to do; place is the step that failed.
func reason(err error, text, place string) (what, advice string) {
	if m := parsing.FindStringSubmatch(text); m != nil {
		return "line " + m[1] + " of the Dockerfile is wrong: " + m[2], "correct that line"
	}
	if m := missing.FindStringSubmatch(text); m != nil {
		return "a step copies " + m[1] + " from the build context, which is empty here",
			"have a RUN step fetch it, or build an image with it first and start from that"
	}
	if m := noSecret.FindStringSubmatch(text); m != nil {
		return "a step needs the secret " + m[1] + ", and there is none", "give the file of it, or make it not required"
	}
	if what, advice = space(err, text); what != "" {
		return what, advice
	}
	if brokenOff(err) {
		return "the builder broke the connection off", "look at its logs, and try again: " + tailOf(text)
	}
	if m := imageOf.FindStringSubmatch(place); m != nil {
		what, advice = base(m[1], text)
		if strings.HasPrefix(place, "resolve image config") {
			advice += "; or take the line \"# syntax=\" out of the Dockerfile"
		}
		return what, advice
	}
	return tailOf(text), "see the lines of the build before this"
}

// brokenOff tells whether a builder was there and is not any more.
func brokenOff(err error) bool {
	var f *failure
	if errors.As(err, &f) {
		err = f.err
	}
	return status.Code(errors.Unwrap(err)) == codes.Unavailable || strings.Contains(err.Error(), "code = Unavailable")
}

// space is about disks that are full: the builder's, or this machine's.
func space(err error, text string) (what, advice string) {
	var file *fs.PathError
	switch {
	case errors.Is(err, syscall.ENOSPC) && errors.As(err, &file):
		return "no space is left on this machine for the image: " + tailOf(text), "set TMPDIR to a folder with more room"
	case strings.Contains(text, "no space left on device"), strings.Contains(text, "disk quota exceeded"):
		return "no space is left where it builds", "free some, such as the builder's cache: \"docker builder prune\" " +
			"for Docker's engine, \"buildctl prune\" for BuildKit"
	default:
		return "", ""
	}
}

// base is about the image to start from.
func base(image, text string) (what, advice string) {
	host := hostOf(image)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("401", "nauthorized", "UNAUTHORIZED", "authorization failed", "authentication required",
		"no basic auth credentials"):
		return "the registry of " + image + " wants a login (401)", "run " + loginTo(host) + ", then try again"
	case has("403", "denied", "DENIED", "insufficient_scope"):
		return "the login does not allow to read " + image + ", or it is not there (403)",
			"correct its name, or log in as somebody else with \"docker login " + host + "\""
	case has("429", "toomanyrequests", "TOOMANYREQUESTS"):
		return "the registry of " + image + " has had too many requests (429)",
			"wait a few minutes, then try again; a login raises the limit"
	case has("no match for platform"):
		return "the image " + image + " is not there for the platform", "start from one that is"
	case has(": not found", "404", "manifest unknown", "MANIFEST_UNKNOWN", "NAME_UNKNOWN", "name unknown"):
		return "there is no image " + image, "correct its name and tag"
	case has("no such host"):
		return "the builder does not know the name of the registry " + host, "check the name, and the builder's network"
	case has("x509", "tls:", "certificate"):
		return "the builder does not trust the certificate of " + host + ": " + tailOf(text),
			"have its authority added where the builder runs"
	case has("server gave HTTP response to HTTPS client"):
		return "the registry " + host + " speaks plain HTTP", "use one with TLS, or have the builder's configuration allow it"
	case has("connection refused", "i/o timeout", "deadline exceeded", "unreachable", "no route to host", "EOF",
		"connection reset", "Client.Timeout"):
		return "the builder does not reach the registry " + host + ": " + tailOf(text),
			"check the name and the port, and the builder's network"
	default:
		return "the image " + image + " cannot be read: " + tailOf(text), "check its name and its registry"
	}
}

// loginTo is what logs in to a registry. One of Azure's takes a login of Azure too.
func loginTo(host string) string {
	login := "\"docker login " + host + "\""
	for _, cloud := range []string{".azurecr.io", ".azurecr.cn", ".azurecr.us"} {
		if strings.HasSuffix(host, cloud) {
			return "\"az login\" or " + login
		}
	}
	return login
}

// tailOf leaves out what each layer of a builder puts before an error.
func tailOf(text string) string {
	for {
		cut := prefixes.ReplaceAllString(text, "")
		if cut == text {
			return shorten(cut)
		}
		text = cut
	}
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/auth"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
)

// deploymentHeader names the version: in a request it asks for it, in an
// answer it tells which one answered.
const deploymentHeader = "azureml-model-deployment"

// raisedHeader is "True" in the answer of a scoring server whose run() has raised, and
// "False" in that of one whose run() has chosen the status itself.
const raisedHeader = "x-ms-run-function-failed"

// invokeFlags say what is sent, to whom, how often.
type invokeFlags struct {
	data, version string
	count         int
	timeout       time.Duration
}

func newInvoke(o *options) *cobra.Command {
	var f invokeFlags
	c := &cobra.Command{
		Use:   "invoke ENDPOINT",
		Short: "Call an endpoint with its key and print the answer",
		Long: "Call an endpoint with its key and print the answer, through a port forwarded to one of its routers:\n" +
			"what is called is what any client calls, whether or not the endpoint has an address outside. An endpoint\n" +
			"behind a Gateway is called at the Gateway's address, which has to be within reach.",
		Example: "  kubectl aml invoke diabetes -d '{\"data\": [[1, 2, 3]]}'\n\n" +
			"  # From a file, to one version\n" +
			"  kubectl aml invoke diabetes -d @sample.json --version green\n\n" +
			"  # 200 times, and count which version answered\n" +
			"  kubectl aml invoke diabetes -d @sample.json --count 200",
		Args:              exactArgs(1),
		ValidArgsFunction: o.completeEndpoints,
		RunE:              func(c *cobra.Command, args []string) error { return o.invoke(c.Context(), args[0], f) },
	}
	c.Flags().StringVarP(&f.data, "data", "d", "", "What to send: text, @FILE, or @- for standard input")
	c.Flags().StringVar(&f.version, "version", "", "Call this version, whatever its share of the traffic")
	c.Flags().IntVar(&f.count, "count", 1, "How often to call; more than once adds a count by version")
	c.Flags().DurationVar(&f.timeout, "timeout", 65*time.Second, "How long to wait for one answer")
	return c
}

func (o *options) invoke(ctx context.Context, name string, f invokeFlags) error {
	if f.count < 1 {
		return usageError{fmt.Errorf("count %d: write 1 or more", f.count)}
	}
	body, err := o.input(f.data)
	if err != nil {
		return err
	}
	s, err := o.connect()
	if err != nil {
		return err
	}
	d, err := s.endpoint(ctx, name)
	if err != nil {
		return err
	}
	request := rollout.Request{Body: body, Timeout: f.timeout, Header: http.Header{}}
	if f.version != "" {
		request.Header.Set(deploymentHeader, f.version)
	}
	if d.Auth.Mode == endpoint.AuthKey {
		keys, err := auth.Read(ctx, s.Kube, s.Namespace, d.secret())
		if err != nil {
			return err
		}
		request.Bearer = keys.Primary.Reveal()
	}
	client, base, closeWay, err := s.way(ctx, d)
	if err != nil {
		return err
	}
	defer closeWay()
	request.URL = base + printer.ScoringPath(name)
	return o.advised(o.call(ctx, client, request, f.count), name, f.data)
}

// raisedError says that run() raised.
type raisedError struct{ error }

// advised says where to look when run() has raised, which is likely to be because of
// what it was given if that is the name of a file.
func (o *options) advised(err error, name, data string) error {
	if !errors.As(err, new(*raisedError)) {
		return err
	}
	if data != "" && !strings.HasPrefix(data, "@") && len(data) < maxPath && o.exists(data) {
		return fmt.Errorf("%w: it was sent the text %q: write -d @%s to send the file", err, data, data)
	}
	return fmt.Errorf("%w: see kubectl aml logs %s", err, name)
}

// maxPath is longer than the names of files are.
const maxPath = 4096

// call sends the request count times and prints the last answer; an answer
// other than 200 is an error.
func (o *options) call(ctx context.Context, client *http.Client, request rollout.Request, count int) error {
	tally := map[string]int{}
	for i := range count {
		answer, err := rollout.Invoke(ctx, client, request)
		if err != nil {
			return err
		}
		version := answer.Header.Get(deploymentHeader)
		if answer.Status != http.StatusOK {
			err := fmt.Errorf("the endpoint answered %d%s: %s", answer.Status, by(version),
				strings.TrimSpace(string(answer.Body)))
			if strings.EqualFold(answer.Header.Get(raisedHeader), "true") {
				return &raisedError{err}
			}
			return err
		}
		tally[version]++
		if i == count-1 {
			o.answer("%s", bytes.TrimSpace(answer.Body))
		}
	}
	if count == 1 {
		o.tell("answered by version %s", slices.Collect(maps.Keys(tally))[0])
		return nil
	}
	l := printer.Listing{Columns: []printer.Column{{Name: "Version"}, {Name: "Answers"}, {Name: "Share"}}}
	for _, version := range slices.Sorted(maps.Keys(tally)) {
		share := float64(tally[version]) * 100 / float64(count)
		l.Rows = append(l.Rows, []any{version, tally[version], fmt.Sprintf("%.1f%%", share)})
	}
	return l.Print(o.Streams.Out, o.Streams.ErrOut, printer.Table)
}

func by(version string) string {
	if version == "" {
		return ""
	}
	return " (version " + version + ")"
}

// input reads what -d names: text, @FILE or @-.
func (o *options) input(data string) ([]byte, error) {
	file, isFile := strings.CutPrefix(data, "@")
	switch {
	case !isFile:
		return []byte(data), nil
	case file == "-":
		return io.ReadAll(o.Streams.In)
	}
	text, err := os.ReadFile(o.path(file))
	if err != nil {
		return nil, fmt.Errorf("the data cannot be read: %w", err)
	}
	return text, nil
}

// forward opens a way to a ready router.
func (s *Session) forward(ctx context.Context, name string) (string, func(), error) {
	pods, err := rollout.NewRouters(s.Kube, s.Namespace, name).Pods(ctx)
	if err != nil {
		return "", nil, err
	}
	ready := slices.DeleteFunc(pods, func(p rollout.Pod) bool { return !p.Ready })
	if len(ready) == 0 {
		return "", nil, fmt.Errorf("no router of endpoint %q is ready: see kubectl aml status %s", name, name)
	}
	if s.Forward != nil {
		return s.Forward(ctx, ready[0].Name)
	}
	return rollout.Forward(ctx, s.REST, s.Kube, s.Namespace, ready[0].Name)
}

// secret is where the keys of d are.
func (d deployed) secret() string { return cmp.Or(d.Auth.ExistingSecret, auth.SecretName(d.Name)) }

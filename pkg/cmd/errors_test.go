// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
	"github.com/kubectl-aml/kubectl-aml/pkg/cmd"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
	"github.com/kubectl-aml/kubectl-aml/pkg/status"
)

func TestEveryKindOfFailureHasItsExitCode(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"nothing wrong":      {nil, 0},
		"anything":           {errors.New("x"), 1},
		"interrupted":        {context.Canceled, 1},
		"still progressing":  {fmt.Errorf("revision 2: %w", &status.TimeoutError{}), 3},
		"the rollout failed": {fmt.Errorf("revision 2: %w", &status.FailedError{}), 4},
	} {
		if got := cmd.ExitCode(c.err); got != c.want {
			t.Errorf("%s: exit code %d, want %d", name, got, c.want)
		}
	}
}

func TestMessageSaysWhatToDoAboutAClusterThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	refused := &url.Error{Op: "Get", URL: "https://10.0.0.1:6443/api/v1/pods",
		Err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}}
	want := "no cluster answers at https://10.0.0.1:6443 (connection refused): is it running, and is this the right " +
		"context? see kubectl config current-context"
	if got := cmd.Message(refused); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	ofAzure := &aks.Error{Reason: aks.UnderWay, Message: "Azure goes on with it"}
	if got := cmd.Message(fmt.Errorf("%w (%w)", ofAzure, refused)); !strings.HasPrefix(got, "Azure goes on with it") {
		t.Errorf("got %s", got)
	}
	ofRegistry := &image.RegistryError{Doing: "push to", Name: "localhost:1/x", Err: refused}
	if got := cmd.Message(fmt.Errorf("the environment's base: %w", ofRegistry)); !strings.HasPrefix(got,
		"the environment's base: cannot push to localhost:1/x: ") {
		t.Errorf("got %s", got)
	}
	if got := cmd.Message(context.Canceled); got != "interrupted" {
		t.Errorf("got %s", got)
	}
}

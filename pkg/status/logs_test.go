// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// notFound is how the scoring server ends that has no score.py, shortened.
const notFound = `2026-11-23 17:46:10,600 E [10] azmlinfsrv - Traceback (most recent call last):
  File "user_script.py", line 77, in load_script
    main_module_spec.loader.exec_module(user_module)
FileNotFoundError: [Errno 2] No such file or directory: '/var/azureml-app/score.py'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "aml_blueprint.py", line 91, in setup
    self.user_script.load_script(config.app_root)
azureml_inference_server_http.server.user_script.UserScriptImportException: Failed to import user script

[2026-11-23 17:46:10 +0000] [1] [ERROR] Reason: Worker failed to boot.
`

func TestCauseOfAPythonProgramsEnd(t *testing.T) {
	cases := map[string]struct{ log, want string }{
		"is_the_first_of_a_chain": {notFound, "FileNotFoundError: [Errno 2] No such file or directory: '/var/azureml-app/score.py'"},
		"is_of_the_last_traceback": {
			"Traceback (most recent call last):\n  File \"a\"\nKeyError: 1\nTraceback (most recent call last):\n  x\nMemoryError",
			"MemoryError"},
		"is_nothing_without_a_traceback":   {"Error: this is no Python\n", ""},
		"is_nothing_if_the_log_is_cut_off": {"Traceback (most recent call last):\n  File \"a\"", ""},
		"is_nothing_without_a_log":         {"", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := cause(printable(c.log)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestPrintableDropsWhatSteersATerminal(t *testing.T) {
	got := printable("\x1b[1;31mred\x1b[0m\tand\x07 \x1b]0;title\r\nжурнал\n\n")
	if want := []string{"red\tand ]0;title", "журнал"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFailureTellsTheCauseAndTheLastLines(t *testing.T) {
	s := newScene(t, "exit-silent")
	long := notFound
	for i := range 30 {
		long += "line " + strconv.Itoa(i) + "\n"
	}
	s.logs(long, func(corev1.PodLogOptions) error { return nil })
	_, err := s.wait(t.Context(), nil)
	want := "version green failed: CrashLoopBackOff: pod green-a: container scoring exited with code 3 (2 times): " +
		"FileNotFoundError: [Errno 2] No such file or directory: '/var/azureml-app/score.py'"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	var failure *FailedError
	if !errors.As(err, &failure) || len(failure.Logs) != LogLines || failure.Logs[LogLines-1] != "line 29" {
		t.Errorf("got the lines\n%s", strings.Join(failure.Logs, "\n"))
	}
}

func FuzzCause(f *testing.F) {
	f.Add(notFound)
	f.Add("Traceback (most recent call last):")
	f.Fuzz(func(t *testing.T, log string) {
		if got := cause(printable(log)); strings.Contains(got, "\n") || !strings.Contains(log, "Traceback") && got != "" {
			t.Errorf("found %q in %q", got, log)
		}
	})
}

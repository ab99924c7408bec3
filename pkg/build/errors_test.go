// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"strings"
	"testing"
)

func TestStepErrorIsShort(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step *StepError
		want string
	}{
		"a short one is told as it is": {&StepError{Step: "RUN false", Code: 1}, `step "RUN false" of the build ended with 1`},
		"a command that was killed": {&StepError{Step: "RUN pip", Code: 137, Tail: []string{"one"}}, `step "RUN pip" of the build ended ` +
			"with 137: it was killed, most likely for want of memory: give what builds more of it\n  one"},
		"what to do": {&StepError{Step: "RUN pip", Code: 137, Advice: "sleep"}, `step "RUN pip" of the build ended with 137: sleep`},
		"what it said last is below": {&StepError{Step: "RUN a  \\\n  b", Tail: []string{"one", "two"}},
			"step \"RUN a \\\\ b\" of the build failed\n  one\n  two"},
		"a long one has its beginning and its end": {
			&StepError{Step: "RUN pip install " + strings.Repeat("numpy ", 100) + "--requirement /opt/aml/requirements.txt", Code: 2},
			`step "RUN pip install ` + strings.Repeat("numpy ", 7) + `nu … umpy numpy --requirement /opt/aml/requirements.txt" of the build ended with 2`},
		"its flags are left out": {
			&StepError{Step: "RUN --mount=type=secret,id=pip.conf,required=false \\\n    --mount=type=cache,target=/c --network=host \\\n    pip install x"},
			`step "RUN pip install x" of the build failed`},
		"those of others say what it does": {&StepError{Step: "COPY --from=a /x /y"}, `step "COPY --from=a /x /y" of the build failed`},
		"cut between characters": {&StepError{Step: "RUN " + strings.Repeat("é", 200)},
			`step "RUN ` + strings.Repeat("é", 56) + " … " + strings.Repeat("é", 50) + `" of the build failed`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.step.Error(); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"strings"
	"testing"
)

func TestWhatIsWrongIsToldInOneLineWithWhatToDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy("blue")
	w.mustDeploy("green")
	w.write("token.json", `{"computeType": "AKS", "tokenAuthEnabled": true, "numReplicas": 1}`)
	w.write("local.json", `{"computeType": "LOCAL", "port": 6789}`)
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"unknown command": {[]string{"deplyo"}, 2,
			`unknown command "deplyo" of kubectl aml: did you mean deploy? see kubectl aml --help`},
		"a command of a workspace": {[]string{"experiment", "list"}, 2,
			`unknown command "experiment" of kubectl aml: see kubectl aml --help for those that there are`},
		"unknown subcommand": {[]string{"model", "regster", "--name", "x"}, 2,
			`unknown command "regster" of kubectl aml model: did you mean register? see kubectl aml model --help`},
		"a subcommand of az's": {[]string{"environment", "scaffold", "-d", "sky"}, 2,
			`unknown command "scaffold" of kubectl aml environment: write one of download, list, register, show`},
		"a config that is not there": {[]string{"deploy", "iris", "--inference-config", "absent.json"}, 1,
			"the inference config cannot be read: open DIR/absent.json: no such file or directory: correct its path"},
		"unknown flag": {[]string{"status", "--nonsense"}, 2, "unknown flag: --nonsense; see kubectl aml status --help"},
		"missing name": {[]string{"status"}, 2, "0 arguments where 1 belong: write kubectl aml status ENDPOINT"},
		"no endpoint": {[]string{"status", "iris"}, 1,
			`no endpoint "iris" in namespace "models": see kubectl aml get endpoints -n models`},
		"bad format":     {[]string{"get", "endpoints", "-o", "xml"}, 2, `output format "xml" is not known here`},
		"bad share":      {[]string{"traffic", "set", "diabetes", "green"}, 2, "write VERSION=PERCENT, such as green=20"},
		"share twice":    {[]string{"traffic", "set", "diabetes", "green=1", "green=2"}, 2, `version "green" is named twice`},
		"nothing to set": {[]string{"traffic", "set", "diabetes"}, 2, "nothing to set"},
		"bad dry run":    {[]string{"delete", "version", "diabetes", "green", "--dry-run", "maybe"}, 2, "write none, client or server"},
		"ambiguous version": {[]string{"deploy", "diabetes", "--entry-script", "score.py"}, 2,
			"has versions [blue green]: name one with --version-name"},
		"nothing to deploy": {[]string{"deploy", "iris"}, 2,
			"error: nothing to deploy: give --inference-config, --entry-script or --image\n"},
		"token auth": {[]string{"deploy", "diabetes", "--entry-script", "score.py", "--deploy-config", "token.json"}, 1,
			"token.json: token auth is not served: set tokenAuthEnabled to false"},
		"deployment on this machine": {
			[]string{"deploy", "diabetes", "--entry-script", "score.py", "--deploy-config", "local.json"}, 1,
			`local.json: computeType: deployments on this machine are not available yet: write "AKS" for one version`},
		"no model": {[]string{"deploy", "diabetes", "--entry-script", "score.py", "-m", "models/absent.pkl"}, 1, "absent.pkl"},
		"a folder without code": {[]string{"deploy", "diabetes", "--image", "x/y:1", "--source-directory", "."}, 2,
			"give --inference-config or --entry-script too"},
		"image and model": {[]string{"deploy", "diabetes", "--image", "x/y:1", "-m", "model.txt"}, 2,
			"--image brings its model with it"},
		"bad accelerator": {[]string{"deploy", "diabetes", "--version-name", "green", "--entry-script", "score.py",
			"--accelerator", "abacus"}, 1, `accelerator type "abacus" is not known: write one of nvidia, amd, intel, fpga`},
	} {
		r := w.run(c.args...)
		if r.code != c.code || !strings.Contains(r.err, c.want) || strings.Count(r.err, "error: ") != 1 {
			t.Errorf("%s: exit code %d, want %d and %q\n%s", name, r.code, c.code, c.want, r.err)
		}
		if r.out != "" || strings.Contains(r.err, "warning: environment") {
			t.Errorf("%s: an error goes with an answer: %s%s", name, r.out, r.err)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"k8s.io/utils/clock"

	"github.com/kubectl-aml/kubectl-aml/pkg/cmd"
)

// The flags of Azure ML's command line by command, each with its short name.
const (
	commonFlags = "workspace-name w|resource-group g|subscription-id|path|output o|query|no-wait|name n|"
	codeFlags   = "inference-config-file ic|deploy-config-file dc|entry-script es|source-directory sd|environment-name e|" +
		"environment-version ev|environment-directory ed|model m|model-metadata-file f|"
	scaleFlags = "autoscale-enabled as|autoscale-min-replicas mi|autoscale-max-replicas ma|autoscale-refresh-seconds ar|" +
		"autoscale-target-utilization at|num-replicas nr|cpu-cores cc|cpu-cores-limit ccl|memory-gb gb|" +
		"memory-gb-limit gbl|gpu-cores gc|collect-model-data md|scoring-timeout-ms tm|" +
		"replica-max-concurrent-requests rm|max-request-wait-time mr|period-seconds ps|initial-delay-seconds id|" +
		"timeout-seconds ts|success-threshold st|failure-threshold ft|"
	oldFlags = "runtime rt|conda-file cf|extra-docker-file-steps ds|enable-gpu eg|cuda-version cv|base-image bi|" +
		"base-image-registry ir|"
	authFlags    = "auth-enabled ae|token-auth-enabled|enable-app-insights ai|"
	versionFlags = commonFlags + codeFlags + scaleFlags + "version-name vn|traffic-percentile tp|is-default|" +
		"is-control-version-type cvt|description d|add-tag|add-property|"
)

func TestEveryFlagOfAzureMLIsThere(t *testing.T) {
	t.Parallel()
	root := cmd.NewRoot(cmd.Env{Clock: clock.RealClock{}, Getenv: func(string) string { return "" }})
	var deploy []string
	for name := range effects() {
		deploy = append(deploy, name)
	}
	for command, flags := range map[string]string{
		"model deploy": strings.Join(deploy, "|") + "|overwrite|" + commonFlags,
		"service update": commonFlags + codeFlags + scaleFlags + oldFlags + authFlags + "primary-key kp|secondary-key ks|" +
			"compute-target ct|description|tag|property|add-tag|remove-tag|add-property|port po|dns-name-label dn|location lo|",
		"endpoint realtime create-version": versionFlags,
		"endpoint realtime update-version": versionFlags,
		"endpoint realtime update":         commonFlags + authFlags + "description d|add-tag|remove-tag|add-property|",
	} {
		c, _, err := root.Find(strings.Fields(command))
		if err != nil {
			t.Fatal(err)
		}
		for flag := range strings.SplitSeq(strings.Trim(flags, "|"), "|") {
			name, shortName, _ := strings.Cut(flag, " ")
			if c.Flag(name) == nil {
				t.Errorf("%s has no --%s", command, name)
				continue
			}
			if shortName != "" && !isShort(root, c, command, name, shortName) {
				t.Errorf("%s: -%s is not --%s", command, shortName, name)
			}
		}
	}
}

func isShort(root, c *cobra.Command, command, name, shortName string) bool {
	args := append(strings.Fields(command), "-"+shortName+"=x")
	if slices.Contains(cmd.LongFlags(root, args), "--"+name+"=x") {
		return true
	}
	f := c.Flags().ShorthandLookup(shortName[:1])
	return len(shortName) == 1 && f != nil && f.Name == name
}

func TestAFlagSaysWhatItsFieldIsFor(t *testing.T) {
	t.Parallel()
	root := cmd.NewRoot(cmd.Env{Clock: clock.RealClock{}, Getenv: func(string) string { return "" }})
	c, _, err := root.Find([]string{"model", "deploy"})
	if err != nil {
		t.Fatal(err)
	}
	want := "CPU cores that one replica asks for (default 0.1) [-cc, --cc]"
	if got := c.Flag("cpu-cores").Usage; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Scripts give these to any command.
func TestEveryCommandOfAzureMLHasTheFlagsOfAll(t *testing.T) {
	t.Parallel()
	root, seen := cmd.NewRoot(cmd.Env{Getenv: func(string) string { return "" }, Clock: clock.RealClock{}}), 0
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			look(sub)
		}
		if c.HasSubCommands() {
			return
		}
		seen++
		for _, flag := range []string{"workspace-name", "resource-group", "subscription-id", "path", "only-show-errors",
			"debug", "verbose", "output", "query"} {
			if c.Flags().Lookup(flag) == nil {
				t.Errorf("%s has no --%s", c.CommandPath(), flag)
			}
		}
		for _, short := range []string{"w", "g", "o", "v"} {
			if c.Flags().ShorthandLookup(short) == nil {
				t.Errorf("%s has no -%s", c.CommandPath(), short)
			}
		}
	}
	for _, name := range []string{"model", "service", "endpoint"} {
		c, _, err := root.Find([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		look(c)
	}
	if seen < 20 {
		t.Errorf("only %d commands were looked at", seen)
	}
}

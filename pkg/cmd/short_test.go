// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// shortRoot has kubectl's -n and one command with the short names of Azure ML.
func shortRoot() *cobra.Command {
	root := &cobra.Command{Use: "aml"}
	root.PersistentFlags().StringP("namespace", "n", "", "")
	model := &cobra.Command{Use: "model"}
	deploy := &cobra.Command{Use: "deploy", Run: func(*cobra.Command, []string) {}}
	deploy.Flags().String("name", "", "")
	deploy.Flags().String("compute-target", "", "")
	deploy.Flags().StringP("model", "m", "", "")
	deploy.Flags().Bool("overwrite", false, "")
	deploy.Flags().Bool("auth-enabled", false, "")
	takesTruth(deploy.Flags().Lookup("auth-enabled"))
	short(deploy, "auth-enabled", "ae")
	short(deploy, "name", "n")
	short(deploy, "compute-target", "ct")
	model.AddCommand(deploy)
	root.AddCommand(model, &cobra.Command{Use: "get", Run: func(*cobra.Command, []string) {}})
	return root
}

func TestShortNamesOfAzureMLAreWrittenOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ args, want string }{
		"one dash":                  {"model deploy -ct aks", "model deploy --compute-target aks"},
		"two dashes":                {"model deploy --ct aks", "model deploy --compute-target aks"},
		"with =":                    {"model deploy -ct=aks --ct=aks", "model deploy --compute-target=aks --compute-target=aks"},
		"a letter of kubectl":       {"model deploy -n blue", "model deploy --name blue"},
		"a letter and its value":    {"model deploy -nblue", "model deploy --name=blue"},
		"pflag's own letters":       {"model deploy -m a:1 -ct aks", "model deploy -m a:1 --compute-target aks"},
		"a value like a short name": {"model deploy -m -ct --name -n", "model deploy -m -ct --name -n"},
		"behind a switch":           {"model deploy --overwrite -ct aks", "model deploy --overwrite --compute-target aks"},
		"a switch and its value":    {"model deploy -ae true --ct x", "model deploy --auth-enabled=true --compute-target x"},
		"a switch and False":        {"model deploy --auth-enabled False", "model deploy --auth-enabled=False"},
		"a switch with =":           {"model deploy --ae=false", "model deploy --auth-enabled=false"},
		"a switch alone":            {"model deploy --ae -ct true", "model deploy --auth-enabled --compute-target true"},
		"a switch at the end":       {"model deploy --ae", "model deploy --auth-enabled"},
		"another switch":            {"model deploy --overwrite true", "model deploy --overwrite true"},
		"behind --":                 {"model deploy -- -ct aks", "model deploy -- -ct aks"},
		"flags before the command":  {"--namespace x model deploy -ct aks", "--namespace x model deploy --compute-target aks"},
		"kubectl's -n before":       {"-n x model deploy -n blue", "-n x model deploy --name blue"},
		"kubectl's -n in between":   {"model -n x deploy -n blue", "model -n x deploy --name blue"},
		"a command like a value":    {"--namespace model model deploy -n a", "--namespace model model deploy --name a"},
		"completion":                {"__complete model deploy -n a -ct x", "__complete model deploy --name a --compute-target x"},
		"completion of a short name": {"__completeNoDesc model deploy -n a -ct",
			"__completeNoDesc model deploy --name a -ct"},
		"long names":             {"model deploy --name a --namespace b", "model deploy --name a --namespace b"},
		"one letter, two dashes": {"model deploy --n a", "model deploy --n a"},
		"a command without them": {"get -n blue -ct", "get -n blue -ct"},
		"no such command":        {"nothing -ct aks", "nothing -ct aks"},
	} {
		if got := strings.Join(LongFlags(shortRoot(), strings.Fields(c.args)), " "); got != c.want {
			t.Errorf("%s: %q becomes %q, want %q", name, c.args, got, c.want)
		}
	}
}

func TestHelpShowsTheShortNames(t *testing.T) {
	t.Parallel()
	deploy, _, err := shortRoot().Find([]string{"model", "deploy"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"[-n]", "[-ct, --ct]"} {
		if !strings.Contains(deploy.UsageString(), want) {
			t.Errorf("the help lacks %s:\n%s", want, deploy.UsageString())
		}
	}
}

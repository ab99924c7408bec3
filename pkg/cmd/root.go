// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package cmd is the command line: one file per verb, flags in, one call of
// the packages below, one answer out.
package cmd

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

// Env is what the commands know of the world they run in. Tests give their own.
type Env struct {
	Streams genericiooptions.IOStreams
	Clock   clock.WithTicker
	Getenv  func(string) string
	// Dir is the working directory: paths in Azure ML's files start there.
	Dir string
	// Holder says who is at work, to others who want to deploy at the same time.
	Holder string
	// Python gives the path of a Python 3, empty for none. Nil finds none.
	Python func() string
	// Terminal gives the columns and rows of the terminal that the answer goes to,
	// and whether it goes to one. Nil looks at Streams.Out.
	Terminal func() (width, height int, ok bool)
	// Connect gives the clients for the cluster that the flags name.
	Connect func(*genericclioptions.ConfigFlags) (*Session, error)
	// Kube gives the client of a cluster that a command of compute has credentials
	// for. Nil makes a real one.
	Kube func(*rest.Config) (kubernetes.Interface, error)
	// Azure changes how Azure is reached; nil changes nothing.
	Azure func(*aks.Options)
}

// Execute runs the command line args in this process's own environment.
func Execute(ctx context.Context, args []string) error {
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("the working directory cannot be read: %w", err)
	}
	env := Env{
		Streams: genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
		Clock:   clock.RealClock{},
		Getenv:  os.Getenv,
		Dir:     dir,
		Holder:  holder(),
		Python:  python,
	}
	env.Connect = env.clusterSession
	root := NewRoot(env)
	root.SetArgs(LongFlags(root, args))
	return root.ExecuteContext(ctx)
}

func python() string {
	path, err := exec.LookPath("python3")
	if err != nil {
		return ""
	}
	return path
}

func holder() string {
	name, host := "somebody", "somewhere"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return name + "@" + host
}

// NewRoot returns the whole command tree.
func NewRoot(env Env) *cobra.Command {
	flags := genericclioptions.NewConfigFlags(true)
	root := &cobra.Command{
		Use:   "kubectl-aml",
		Short: "Deploy machine-learning models to Kubernetes",
		Long: "Deploy machine-learning models to Kubernetes.\n\n" +
			"The score.py, inferenceconfig.json and deploymentconfig.json of Azure ML v1 are served as they are,\n" +
			"several versions behind one endpoint, with nothing installed in the cluster beforehand.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl aml"},
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(env.Streams.In)
	root.SetOut(env.Streams.Out)
	root.SetErr(env.Streams.ErrOut)
	root.SetUsageTemplate(usageTemplate)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if c.HasSubCommands() && len(c.Flags().Args()) > 0 { // the flag is that of a command that is not there
			return noCommand(c, c.Flags().Arg(0))
		}
		return usageError{fmt.Errorf("%w; see %s --help", err, c.CommandPath())}
	})
	flags.AddFlags(root.PersistentFlags())
	o := &options{Env: env, flags: flags}
	groups := map[string][]*cobra.Command{
		"deploy": {newDeploy(o), newTraffic(o), newDelete(o), newModel(o), newEnvironment(o), newBundle(o),
			newPrune(o)},
		"change":  {newPromote(o), newUndo(o), newUpdate(o), newScale(o), newRestart(o), newEdit(o)},
		"look":    {newGet(o), newStatus(o), newDiff(o), newHistory(o), newLogs(o), newRender(o), newSBOM(o)},
		"files":   {newInit(o), newValidate(o), newBuild(o), newExplain(o), newImport(o)},
		"call":    {newInvoke(o), newKeys(o)},
		"compute": {newCompute(o)},
		"azure":   {newService(o), newEndpoint(o), newComputeTarget(o)},
		"plugin.": {newVersion(o), newOptions(o)},
	}
	for _, g := range []cobra.Group{
		{ID: "deploy", Title: "Deploy:"}, {ID: "change", Title: "Change what is deployed:"}, {ID: "look", Title: "Look:"},
		{ID: "files", Title: "Azure ML v1's files:"}, {ID: "call", Title: "Call:"},
		{ID: "compute", Title: "Clusters:"},
		{ID: "azure", Title: "As in Azure ML v1:"}, {ID: "plugin.", Title: "The plugin:"},
	} {
		root.AddGroup(&g)
		for _, c := range groups[g.ID] {
			c.GroupID = g.ID
			root.AddCommand(c)
		}
	}
	root.SetCompletionCommandGroupID("plugin.")
	root.SetHelpCommandGroupID("plugin.")
	onlyCommands(root)
	return root
}

// options is what every command starts from.
type options struct {
	Env
	flags *genericclioptions.ConfigFlags
	// warned takes the warnings about files instead of telling them; nil tells.
	warned *amlv1.Findings
}

func (o *options) connect() (*Session, error) { return o.Connect(o.flags) }

// tell writes a line for people: never part of the answer.
func (o *options) tell(format string, args ...any) {
	fmt.Fprintf(o.Streams.ErrOut, format+"\n", args...)
}

// answer writes a line of the answer.
func (o *options) answer(format string, args ...any) {
	fmt.Fprintf(o.Streams.Out, format+"\n", args...)
}

// onlyCommands has the command, and all below it that have commands, refuse every
// other word.
func onlyCommands(c *cobra.Command) {
	if !c.HasSubCommands() {
		return
	}
	c.SuggestionsMinimumDistance = 2
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return noCommand(c, args[0])
	}
	for _, sub := range c.Commands() {
		onlyCommands(sub)
	}
}

// noCommand says which command may have been meant, or which there are.
func noCommand(c *cobra.Command, typed string) error {
	what := fmt.Sprintf("unknown command %q of %s", typed, c.CommandPath())
	if near := c.SuggestionsFor(typed); len(near) > 0 {
		return usageError{fmt.Errorf("%s: did you mean %s? see %s --help", what, strings.Join(near, " or "), c.CommandPath())}
	}
	if !c.HasParent() {
		return usageError{fmt.Errorf("%s: see %s --help for those that there are", what, c.CommandPath())}
	}
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return usageError{fmt.Errorf("%s: write one of %s", what, strings.Join(names, ", "))}
}

// exactArgs refuses any other number of arguments, with the command's own form.
func exactArgs(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		if n == 0 && len(args) == 1 && c.Flags().Lookup("name") != nil {
			return usageError{fmt.Errorf("a name is no argument here: write %s --name %s", c.CommandPath(), args[0])}
		}
		return usageError{fmt.Errorf("%d arguments where %d belong: write %s", len(args), n, c.UseLine())}
	}
}

func minArgs(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) >= n {
			return nil
		}
		return usageError{fmt.Errorf("%d arguments where at least %d belong: write %s", len(args), n, c.UseLine())}
	}
}

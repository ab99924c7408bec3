// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

// azureFlags are the flags that every command of Azure ML v1 has.
type azureFlags struct {
	workspaceFlags
	output, query              string
	onlyErrors, debug, verbose bool
	// full asks for the long form of an answer that has a short one.
	full bool
	// prints says that the answer is an object, which output and query are about.
	prints bool
}

func (a *azureFlags) add(c *cobra.Command) {
	a.addCommon(c)
	c.Flags().BoolVarP(&a.full, "full", "v", false, "Print everything that is known, where there is a short form")
}

// addCommon is add for commands whose -v is another flag's.
func (a *azureFlags) addCommon(c *cobra.Command) {
	a.workspaceFlags.add(c)
	f := c.Flags()
	f.BoolVar(&a.onlyErrors, "only-show-errors", false, "Say nothing but the answer and errors")
	f.BoolVar(&a.debug, "debug", false, "Taken and not used: kubectl aml status tells what is wrong")
	f.BoolVar(&a.verbose, "verbose", false, "Taken and not used: kubectl aml status tells what is wrong")
}

// addPrinting adds the flags of commands that answer with objects.
func (a *azureFlags) addPrinting(c *cobra.Command, getenv func(string) string) {
	a.prints = true
	f := c.Flags()
	f.StringVarP(&a.output, "output", "o", cmp.Or(getenv("AZURE_CORE_OUTPUT"), "json"),
		"Output format. One of: "+printer.AzureFormats)
	_ = c.RegisterFlagCompletionFunc("output", // the only error is a second one
		cobra.FixedCompletions(strings.Split(printer.AzureFormats, ", "), cobra.ShellCompDirectiveNoFileComp))
	f.StringVar(&a.query, "query", "", "JMESPath of what to print of the answer")
}

// addText adds the same flags to commands that answer with text as it is.
func (a *azureFlags) addText(c *cobra.Command) {
	f := c.Flags()
	const usage = "Taken and not used: the answer is text"
	f.StringVarP(&a.output, "output", "o", "", usage)
	f.StringVar(&a.query, "query", "", usage)
}

// azureCommand is a command of Azure ML v1 at work.
type azureCommand struct {
	*options
	azureFlags
	// name is the service or endpoint that --name says.
	name    string
	session *Session
	out     printer.Azure
}

// azureForm says what an azureCommand is and does.
type azureForm struct {
	use, short string
	// noun is what --name is the name of; without it there is no --name.
	noun string
	// plain says that the answer is text, which -o and --query change nothing of.
	plain bool
	run   func(context.Context, *azureCommand) error
}

// azure makes the command that form describes, with the flags they all have.
func (o *options) azure(form azureForm) *cobra.Command {
	a := &azureCommand{options: o}
	c := &cobra.Command{
		Use: form.use, Short: form.short, Args: exactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.start(form); err != nil {
				return err
			}
			return form.run(c.Context(), a)
		},
	}
	if form.noun != "" {
		c.Flags().StringVar(&a.name, "name", "", "Name of the "+form.noun)
		short(c, "name", "n")
		// The only error is a second function for the same flag.
		_ = c.RegisterFlagCompletionFunc("name", o.completeEndpoints)
	}
	a.add(c)
	if form.plain {
		a.addText(c)
	} else {
		a.addPrinting(c, o.Getenv)
	}
	return c
}

// start checks the flags, says which of them are not used, and connects.
func (a *azureCommand) start(form azureForm) error {
	if err := a.begin(form.noun); err != nil {
		return err
	}
	session, err := a.connect()
	a.session = session
	return err
}

// begin is start without a connection.
func (a *azureCommand) begin(noun string) error {
	if noun != "" && a.name == "" {
		return usageError{fmt.Errorf("the name of the %s is missing: write --name NAME", noun)}
	}
	if a.prints {
		format, err := printer.ParseAzureFormat(a.output)
		query, queryErr := printer.ParseQuery(a.query)
		if err := errors.Join(err, queryErr); err != nil {
			return usageError{err}
		}
		a.out = printer.Azure{Format: format, Query: query, Colour: a.colours()}
	}
	if a.onlyErrors {
		a.options = a.silent()
	}
	a.remark(a.options)
	if !a.prints && a.output+a.query != "" {
		a.tell("note: --output and --query are not used: the answer is text")
	}
	if a.debug || a.verbose {
		a.tell("note: --debug and --verbose are not used: kubectl aml status tells what is wrong")
	}
	return nil
}

// colours tells whether whoever reads the answer may want colours.
func (a *azureCommand) colours() bool {
	file, ok := a.Streams.Out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd())) && a.Getenv("NO_COLOR") == "" && a.Getenv("AZURE_CORE_NO_COLOR") == ""
}

// print writes the answer as --output and --query want it.
func (a *azureCommand) print(v any) error { return a.out.Print(a.Streams.Out, v) }

// named is the answer of commands that take something away.
type named struct {
	Name string `json:"name"`
}

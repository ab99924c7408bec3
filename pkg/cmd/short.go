// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// shortNames is where a flag keeps the short names that Azure ML v1 gave it.
const shortNames = "kubectl-aml/short"

// short gives flags of c the short names they had in Azure ML v1, such as
// "ct" for compute-target: -ct and --ct are then that flag. They are no
// shorthands of pflag, which has single letters only and reads -ct as -c t, and
// refuses the letters that kubectl uses in every command: -n is the name of a
// service here, as az users type it.
func short(c *cobra.Command, flag string, names ...string) {
	f := c.Flags().Lookup(flag)
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[shortNames] = append(f.Annotations[shortNames], names...)
	var shown []string
	for _, n := range names {
		if len(n) == 1 {
			shown = append(shown, "-"+n)
		} else {
			shown = append(shown, "-"+n+", --"+n)
		}
	}
	f.Usage += " [" + strings.Join(shown, ", ") + "]"
}

// truthNext marks a switch that may be followed by true or false, as with az.
const truthNext = "kubectl-aml/truth"

// takesTruth lets the switch be given as --switch, --switch=true and, which pflag
// does not know, --switch true.
func takesTruth(f *pflag.Flag) {
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[truthNext] = []string{"true"}
}

func mayTakeTruth(flags *pflag.FlagSet, arg string) bool {
	name, isLong := strings.CutPrefix(arg, "--")
	f := flags.Lookup(name)
	return isLong && f != nil && f.Annotations[truthNext] != nil
}

func isTruth(arg string) bool {
	return strings.EqualFold(arg, "true") || strings.EqualFold(arg, "false")
}

// LongFlags returns args with the short names of Azure ML v1 written out, for
// the command of root that they call: model deploy -ct aks becomes model deploy
// --compute-target aks. Values, what stands before the command's name, where -n
// is kubectl's, or behind "--", and the arguments of commands without such names
// stay as they are. A true or false behind a switch of Azure ML is joined to it.
// What a shell wants to have completed stays too, the words before it do not.
func LongFlags(root *cobra.Command, args []string) []string {
	if last := len(args) - 1; last > 0 && isCompletion(args[0]) {
		return slices.Concat(args[:1], LongFlags(root, args[1:last]), args[last:])
	}
	c, _, err := root.Find(args)
	if err != nil {
		return args
	}
	c.InheritedFlags() // makes c know the flags of its parents
	long := longNames(c)
	if len(long) == 0 {
		return args
	}
	first := behindName(c, args)
	out := slices.Clone(args[:first])
	for i := first; i < len(args); i++ {
		if args[i] == "--" {
			return append(out, args[i:]...)
		}
		arg := writeOut(args[i], long)
		switch {
		case i+1 == len(args):
			out = append(out, arg)
		case takesNext(c.Flags(), arg):
			i++
			out = append(out, arg, args[i])
		case mayTakeTruth(c.Flags(), arg) && isTruth(args[i+1]):
			i++
			out = append(out, arg+"="+args[i])
		default:
			out = append(out, arg)
		}
	}
	return out
}

// isCompletion tells whether a word is the command by which a shell asks.
func isCompletion(word string) bool {
	return word == cobra.ShellCompRequestCmd || word == cobra.ShellCompNoDescRequestCmd
}

// behindName is where the arguments behind the name of the command begin.
func behindName(c *cobra.Command, args []string) int {
	words := 0
	c.VisitParents(func(*cobra.Command) { words++ })
	i := 0
	for ; i < len(args) && words > 0; i++ {
		switch {
		case takesNext(c.Flags(), args[i]):
			i++
		case !strings.HasPrefix(args[i], "-"):
			words--
		}
	}
	return min(i, len(args))
}

// longNames maps the short names of a command's flags to their long ones.
func longNames(c *cobra.Command) map[string]string {
	long := map[string]string{}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		for _, name := range f.Annotations[shortNames] {
			long[name] = f.Name
		}
	})
	return long
}

// writeOut is arg with a long name in place of a short one: -ct and --ct, with
// or without =VALUE, and -nVALUE, as az reads them.
func writeOut(arg string, long map[string]string) string {
	bare := strings.TrimLeft(arg, "-")
	dashes := len(arg) - len(bare)
	if dashes < 1 || dashes > 2 || bare == "" {
		return arg
	}
	name, value, valued := strings.Cut(bare, "=")
	if full, ok := long[name]; ok && (dashes == 1 || len(name) > 1) {
		if valued {
			return "--" + full + "=" + value
		}
		return "--" + full
	}
	if full, ok := long[bare[:1]]; ok && dashes == 1 {
		return "--" + full + "=" + bare[1:]
	}
	return arg
}

// takesNext tells whether arg is a flag whose value is the argument after it.
func takesNext(flags *pflag.FlagSet, arg string) bool {
	if strings.Contains(arg, "=") || !strings.HasPrefix(arg, "-") || slices.Contains([]string{"-", "--"}, arg) {
		return false
	}
	var f *pflag.Flag
	if name, isLong := strings.CutPrefix(arg, "--"); isLong {
		f = flags.Lookup(name)
	} else if len(arg) == 2 {
		f = flags.ShorthandLookup(arg[1:])
	}
	return f != nil && f.NoOptDefVal == ""
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Command conformance asks Microsoft's azureml-core and pkg/amlv1 about the same generated files, and fails if they
// differ in anything but the deviations that are known.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
)

type options struct {
	seed     uint64
	count    int
	document string
	vectors  string
	write    bool
}

// The default run is the one in which each deviation has to be met.
const (
	defaultSeed  = 1
	defaultCount = 5000
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var o options
	flag.Uint64Var(&o.seed, "seed", defaultSeed, "seed that the files are generated from")
	flag.IntVar(&o.count, "count", defaultCount, "number of files")
	flag.StringVar(&o.document, "document", "", "only write the list of deviations to this `file`")
	flag.StringVar(&o.vectors, "vectors", "pkg/amlv1/testdata/pathspec.json", "`file` with what pathspec did")
	flag.BoolVar(&o.write, "write-vectors", false, "write that file anew from its patterns")
	flag.Parse()
	if err := o.run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func (o options) run(ctx context.Context, out io.Writer) error {
	deviations, err := readDeviations(deviationsFile)
	if err != nil {
		return fmt.Errorf("deviations.yaml: %w", err)
	}
	if o.document != "" {
		return os.WriteFile(o.document, []byte(document(deviations)), 0o644)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	environment, err := prepare(ctx, filepath.Join(cache, "kubectl-aml"), out)
	if err != nil {
		return err
	}
	p, err := startProbe(ctx, environment)
	if err != nil {
		return err
	}
	err = o.compare(p, deviations, out)
	return errors.Join(err, p.stop())
}

func (o options) compare(p *probe, deviations []*deviation, out io.Writer) error {
	if err := o.checkVectors(p); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "conformance-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	if work, err = filepath.EvalSymlinks(work); err != nil {
		return err
	}
	cwd, err := layOut(work)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "seed %d, %d files\n", o.seed, o.count)
	r := run{probe: p, dir: cwd, deviations: deviations, out: out}
	left, err := r.all(generate(o.seed, o.count))
	if err != nil {
		return err
	}
	different, err := r.ignore(p, o.seed, o.count/5)
	if err != nil {
		return err
	}
	if err := r.report(); err != nil {
		return err
	}
	return o.verdict(&r, left+different, out)
}

// verdict says whether the run is one to be relied on: no difference, files of
// both sorts, and, in the default run, no deviation that explains nothing.
func (o options) verdict(r *run, differences int, out io.Writer) error {
	var errs []error
	if differences > 0 {
		errs = append(errs, fmt.Errorf("%d kinds of differences are not explained", differences))
	}
	for kind, c := range r.counts {
		if n := c.accepted + c.refused; min(c.accepted, c.refused)*100 < n*15 {
			errs = append(errs, fmt.Errorf("%s: %d accepted and %d refused, each has to be 15 %%", kind, c.accepted, c.refused))
		}
	}
	fmt.Fprintln(out)
	for _, d := range r.deviations {
		fmt.Fprintf(out, "%-32s %5d differences\n", d.ID, d.hits)
		if d.hits == 0 && o.seed == defaultSeed && o.count >= defaultCount {
			errs = append(errs, fmt.Errorf("deviation %s explains nothing: remove it from deviations.yaml", d.ID))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("seed %d, %d files: %w", o.seed, o.count, err)
	}
	fmt.Fprintln(out, "no difference but these")
	return nil
}

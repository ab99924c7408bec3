// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/layout"
)

// pruneFlags say what is pruned.
type pruneFlags struct {
	unused time.Duration
	dryRun string
}

func newPrune(o *options) *cobra.Command {
	p := &pruneFlags{}
	c := &cobra.Command{
		Use:   "prune",
		Short: "Delete images from this machine that no endpoint has",
		Long: "Delete images from the folder of this machine that stands in for a registry. Those go that are in no kept\n" +
			"revision of an endpoint in the cluster in use, in whatever namespace, and that nothing was deployed with for\n" +
			"a while. Models, environments and all else that has a tag stay. Which images the endpoints of other clusters\n" +
			"have is not known; their nodes have copies, and the next deploy makes the image again.",
		Example: "  # What would go\n" +
			"  kubectl aml prune --dry-run\n\n" +
			"  # All that was not deployed in the last week\n" +
			"  kubectl aml prune --unused-for 168h",
		Args: exactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error { return o.prune(c.Context(), p) },
	}
	c.Flags().DurationVar(&p.unused, "unused-for", 30*24*time.Hour, "Delete what nothing was deployed with for so long; "+
		"1h at least")
	c.Flags().StringVar(&p.dryRun, "dry-run", "none", `Must be "none", or "client" (print what would be deleted and `+
		`delete nothing)`)
	c.Flags().Lookup("dry-run").NoOptDefVal = "client"
	_ = c.RegisterFlagCompletionFunc("dry-run", // the only error is a second one
		cobra.FixedCompletions([]string{"none", "client"}, cobra.ShellCompDirectiveNoFileComp))
	c.ValidArgsFunction = cobra.NoFileCompletions
	return c
}

func (o *options) prune(ctx context.Context, p *pruneFlags) error {
	if p.unused < time.Hour {
		return usageError{fmt.Errorf("--unused-for %s is too short: write 1h or more, since who deploys may be about to push",
			p.unused)}
	}
	if p.dryRun != "none" && p.dryRun != "client" {
		return usageError{fmt.Errorf("dry-run %q is not known: write none or client", p.dryRun)}
	}
	used, err := o.digestsInUse(ctx)
	if err != nil {
		return fmt.Errorf("which images endpoints have cannot be found out: %w", err)
	}
	l, err := layout.Open(o.imageFolder())
	if err != nil {
		return withAdvice(err)
	}
	keep := func(image string) bool {
		_, digest, _ := strings.Cut(image, "@")
		return used[digest]
	}
	gone, err := l.Prune(keep, p.unused, p.dryRun == "client")
	if err != nil {
		return withAdvice(err)
	}
	deleted := "deleted"
	if p.dryRun == "client" {
		deleted += " (dry run)"
	}
	for _, image := range gone.Images {
		o.answer("%s/%s %s", layout.Host, image, deleted)
	}
	o.tell("prune: %d images, %.1f MB in %s", len(gone.Images), float64(gone.Bytes)/1e6, l.Folder())
	return nil
}

// withAdvice adds what to do about the folder.
func withAdvice(err error) error {
	var folder *layout.FolderError
	if errors.As(err, &folder) {
		return fmt.Errorf("%w: %s", err, folder.Advice())
	}
	return err
}

// digestsInUse are those in any kept revision of an endpoint: whatever is written
// in its values, also of an older chart, and in its objects. The name that goes
// before one may have a tag in it, or be another registry's.
func (o *options) digestsInUse(ctx context.Context) (map[string]bool, error) {
	s, err := o.connect()
	if err != nil {
		return nil, err
	}
	revisions, err := s.Releases.Revisions(ctx)
	if err != nil {
		return nil, err
	}
	digest, used := regexp.MustCompile(`sha256:[0-9a-f]{64}`), map[string]bool{}
	for _, r := range revisions {
		values, err := json.Marshal(r.Values)
		if err != nil {
			return nil, err
		}
		for _, found := range digest.FindAllString(string(values)+r.Manifest, -1) {
			used[found] = true
		}
	}
	return used, nil
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"embed"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// scaffold are the files that init writes.
//
//go:embed scaffold
var scaffold embed.FS

func newInit(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "init [FOLDER]",
		Short: "Write the files of a first model",
		Long: "Write a score script, an inference config, a deployment config and a sample request into a folder, which\n" +
			"is made if it is not there. They deploy as they are, without a model: put yours in afterwards. Files that\n" +
			"are there are never overwritten.",
		Example: "  kubectl aml init hello && cd hello\n" +
			"  kubectl aml validate .\n" +
			"  kubectl aml deploy hello --inference-config inferenceconfig.json --deploy-config deploymentconfig.json\n" +
			"  kubectl aml invoke hello -d @sample.json",
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := filepath.Join(args...)
			if dir == "" {
				dir = "."
			}
			return o.initFolder(dir)
		},
	}
}

func (o *options) initFolder(dir string) error {
	var files []newFile
	err := fs.WalkDir(scaffold, "scaffold", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := scaffold.ReadFile(path)
		name := strings.TrimPrefix(path, "scaffold/")
		files = append(files, newFile{name: filepath.FromSlash(name), text: text})
		return err
	})
	if err != nil {
		return err
	}
	if err := writeNew(o.path(dir), files); err != nil {
		return err
	}
	for _, f := range files {
		o.answer("%s", filepath.Join(dir, f.name))
	}
	o.tell("deploy them as README.md says")
	return nil
}

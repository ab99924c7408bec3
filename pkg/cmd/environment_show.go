// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

func newEnvironmentList(o *options) *cobra.Command {
	var (
		e    environmentCommand
		name string
	)
	c := &cobra.Command{
		Use:   "list",
		Short: "List registered environments",
		Long: "List registered environments, every version. Without --name, the registry has to be one that lists its\n" +
			"repositories.",
		Args:              exactArgs(0),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			definitions, err := e.open()
			if err != nil {
				return err
			}
			found, err := definitions.List(c.Context(), name)
			if err != nil {
				return err
			}
			return e.reply(append([]image.Definition{}, found...))
		},
	}
	e.add(c, o)
	c.Flags().StringVar(&name, "name", "", "Only versions of this environment")
	short(c, "name", "n")
	_ = c.RegisterFlagCompletionFunc("name", o.completeEnvironments(&e.registryFlags)) // the only error is a second one
	return c
}

func newEnvironmentShow(o *options) *cobra.Command {
	var (
		e   environmentCommand
		ref environmentRef
	)
	c := &cobra.Command{
		Use:   "show NAME[:VERSION]",
		Short: "Show a registered environment in full",
		Long: "Show a registered environment as an inference config has it in full, with its packages and its Dockerfile;\n" +
			"without a version, the highest.",
		Example: "  kubectl aml environment show sky -o yaml\n\n" +
			"  # The packages, as a conda file\n" +
			"  kubectl aml environment show -n sky --query python.condaDependencies -o yaml",
		RunE: func(c *cobra.Command, args []string) error {
			_, files, err := e.files(c, ref, args)
			if err != nil {
				return err
			}
			object, err := whole(files)
			if err != nil {
				return err
			}
			return e.reply(object)
		},
	}
	e.add(c, o)
	ref.add(c, &e)
	return c
}

func newEnvironmentDownload(o *options) *cobra.Command {
	var (
		e         environmentCommand
		ref       environmentRef
		folder    string
		overwrite bool
	)
	c := &cobra.Command{
		Use:   "download NAME[:VERSION]",
		Short: "Download the folder of a registered environment",
		Long: "Download the folder of a registered environment; without a version, the highest. It can be changed and\n" +
			"registered again, and given to deploy with --environment-directory.",
		Example: "  kubectl aml environment download sky --directory sky",
		RunE: func(c *cobra.Command, args []string) error {
			found, files, err := e.files(c, ref, args)
			if err != nil {
				return err
			}
			to := cmp.Or(folder, found.Name)
			if err := writeEnvironment(e.options.path(to), files, overwrite); err != nil {
				return err
			}
			e.tell("environment: %s is in %s", found.ID, to)
			return e.reply(found)
		},
	}
	e.add(c, o)
	ref.add(c, &e)
	c.Flags().StringVarP(&folder, "directory", "d", "", "Folder to write the files into (default: the environment's name)")
	c.Flags().BoolVar(&overwrite, "overwrite", false, "Replace the files of an environment that are there")
	_ = c.MarkFlagDirname("directory") // the only error is a flag that is not there
	return c
}

// files finds the environment that the arguments name, and reads it.
func (e *environmentCommand) files(
	c *cobra.Command, ref environmentRef, args []string,
) (image.Definition, amlv1.EnvironmentFiles, error) {
	name, version, err := ref.parse(c, args)
	if err != nil {
		return image.Definition{}, nil, err
	}
	definitions, err := e.open()
	if err != nil {
		return image.Definition{}, nil, err
	}
	found, err := definitions.Find(c.Context(), name, version)
	if err != nil {
		return found, nil, withEnvironmentAdvice(err)
	}
	files, err := definitions.Files(c.Context(), found)
	return found, files, err
}

// withEnvironmentAdvice says what to do about an environment that is not there.
func withEnvironmentAdvice(err error) error {
	var none *image.NoEnvironmentError
	if errors.As(err, &none) && len(none.Versions) == 0 {
		return fmt.Errorf("%w: correct the name, or register it with kubectl aml environment register", err)
	}
	return err
}

// writeEnvironment writes the files of an environment into a folder. Those of
// another that are there are replaced, all of them, if overwrite is set. The
// definition goes first and comes last: a folder that is not complete has none, and
// nobody takes it for one.
func writeEnvironment(folder string, files amlv1.EnvironmentFiles, overwrite bool) error {
	var written []newFile
	for _, name := range amlv1.EnvironmentFileNames() {
		if text, ok := files[name]; ok {
			written = append([]newFile{{name: name, text: text}}, written...)
		}
		if !overwrite {
			continue
		}
		if err := os.Remove(filepath.Join(folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return writeNew(folder, written)
}

// whole is the environment object, with what its folder has in files of their own.
func whole(files amlv1.EnvironmentFiles) (map[string]any, error) {
	object, err := files.Definition()
	if err != nil {
		return nil, err
	}
	if text, ok := files.Conda(); ok {
		var conda any
		if err := yaml.Unmarshal(text, &conda); err != nil {
			return nil, fmt.Errorf("the conda file cannot be read: %w", err)
		}
		within(object, "python")["condaDependencies"] = conda
	}
	if text, ok := files.Dockerfile(); ok {
		docker := within(object, "docker")
		docker["baseDockerfile"], docker["baseImage"] = string(text), nil
	}
	return object, nil
}

// within is the object called key in another, which is made if it is not there.
func within(object map[string]any, key string) map[string]any {
	inner, ok := object[key].(map[string]any)
	if !ok {
		inner = map[string]any{}
		object[key] = inner
	}
	return inner
}

// registeredEnvironments are those that a registry has, without a word; none if it
// cannot tell.
func (o *options) registeredEnvironments(ctx context.Context, r *registryFlags, name string) []image.Definition {
	access, err := r.access(o.silent(), "environment")
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	found, err := image.Definitions{Registry: r.registry, Options: access}.List(ctx, name)
	if err != nil {
		return nil
	}
	return found
}

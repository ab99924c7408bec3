// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/environment"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

// newEnvironment is the parent of everything about registered environments.
func newEnvironment(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "environment",
		Short: "Keep environments in a registry, by name and version",
		Long: "Azure ML v1's commands for environments, as az ml has them: flags, answers, -o and --query. Registered\n" +
			"environments are artifacts in the registry, REGISTRY/environments/NAME, with the files of their folders.\n" +
			"What an image is built of is the same with a name and without one.",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newEnvironmentRegister(o), newEnvironmentList(o), newEnvironmentShow(o), newEnvironmentDownload(o))
	return c
}

// environmentCommand is a command about registered environments at work.
type environmentCommand struct {
	azureCommand
	registryFlags
	metadataFile string
}

func (e *environmentCommand) add(c *cobra.Command, o *options) {
	e.options = o
	e.addCommon(c)
	e.addPrinting(c, o.Getenv)
	e.registryFlags.add(c, o.Getenv, "Where the environments are")
	c.Flags().StringVarP(&e.metadataFile, "output-metadata-file", "t", "", "File to write the answer to as well, as JSON")
}

// open checks the flags and returns the environments in the registry that they name.
func (e *environmentCommand) open() (image.Definitions, error) {
	if err := e.begin(""); err != nil {
		return image.Definitions{}, err
	}
	if e.registry == "" {
		return image.Definitions{}, usageError{errors.New("no registry to look into: name one with --registry or " +
			"AML_REGISTRY")}
	}
	if err := e.check(e.options); err != nil {
		return image.Definitions{}, err
	}
	if inFolder(e.registry) {
		e.tell("environment: no registry: environments are in %s", e.imageFolder())
	}
	access, err := e.access(e.options, "environment")
	return image.Definitions{Registry: e.registry, Options: access}, err
}

// reply prints v, and writes it to a file if one is named.
func (e *environmentCommand) reply(v any) error {
	if e.metadataFile == "" {
		return e.print(v)
	}
	f, err := os.Create(e.options.path(e.metadataFile))
	if err != nil {
		return fmt.Errorf("the metadata file cannot be written: %w", err)
	}
	if err := errors.Join(printer.WriteJSON(f, v), f.Close()); err != nil {
		return err
	}
	return e.print(v)
}

// environmentRef is the environment that an argument, or --name and --version, name.
type environmentRef struct{ name, version string }

func (r *environmentRef) add(c *cobra.Command, e *environmentCommand) {
	f := c.Flags()
	f.StringVar(&r.name, "name", "", "Name of the environment, in place of the argument")
	f.StringVar(&r.version, "version", "", "Version of the environment (default: the highest)")
	short(c, "name", "n")
	short(c, "version", "v")
	names := e.completeEnvironments(&e.registryFlags)
	_ = c.RegisterFlagCompletionFunc("name", names) // the only error is a second one
	_ = c.RegisterFlagCompletionFunc("version",
		func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			name := strings.Join(append(args, r.name), "")
			return e.completeEnvironmentVersions(&e.registryFlags, &name)(c, args, typed)
		})
	c.ValidArgsFunction = func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return names(c, args, typed)
	}
}

func (r *environmentRef) parse(c *cobra.Command, args []string) (name string, version int, err error) {
	if r.name != "" {
		args = append(args, r.name)
	}
	if len(args) != 1 {
		return "", 0, usageError{fmt.Errorf("%d environments named where 1 belongs: write %s", len(args), c.UseLine())}
	}
	name, number, versioned := strings.Cut(args[0], ":")
	if versioned && r.version != "" {
		return "", 0, usageError{fmt.Errorf("environment %s has a version, and --version is %s: leave one out", args[0],
			r.version)}
	}
	if version, err = environmentVersion(name, number+r.version); err != nil {
		return "", 0, usageError{err}
	}
	return name, version, nil
}

// environmentVersion reads the version of a registered environment, 0 if there is none.
func environmentVersion(name, text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	version, err := strconv.ParseInt(text, 10, 32)
	if err != nil || version < 1 || version > image.HighestVersion {
		return 0, fmt.Errorf("environment %q has the version %q: write a whole number from 1, or none for the highest; see "+
			"kubectl aml environment list", name, text)
	}
	return int(version), nil
}

func newEnvironmentRegister(o *options) *cobra.Command {
	var (
		e      environmentCommand
		folder string
	)
	c := &cobra.Command{
		Use:   "register --directory FOLDER",
		Short: "Register the folder of an environment as the next version of its name",
		Long: "Register the folder of an environment, as az ml environment scaffold or download made it, with the name in\n" +
			"its azureml_environment.json. Versions count from 1; two registrations at the same time get two numbers. A\n" +
			"version that the file has is kept if it is a whole number and free. Nothing is built: the first deployment\n" +
			"that needs the environment does that, or kubectl aml build.",
		Example: "  # Register it, and deploy with it\n" +
			"  kubectl aml environment register --directory sky\n" +
			"  kubectl aml deploy diabetes -m model.pkl --entry-script score.py -e sky\n\n" +
			"  # Take one along from Azure ML\n" +
			"  az ml environment download -n sky -d sky\n" +
			"  kubectl aml environment register -d sky",
		Args:              exactArgs(0),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(c *cobra.Command, _ []string) error { return e.register(c.Context(), folder) },
	}
	e.add(c, o)
	c.Flags().StringVarP(&folder, "directory", "d", "", "Folder with azureml_environment.json, and with "+
		"conda_dependencies.yml and BaseDockerfile if there are such")
	_ = c.MarkFlagDirname("directory") // the only error is a flag that is not there
	return c
}

func (e *environmentCommand) register(ctx context.Context, folder string) error {
	if folder == "" {
		return usageError{errors.New("there is nothing to register: name the folder of an environment with --directory")}
	}
	definitions, err := e.open()
	if err != nil {
		return err
	}
	files, read, err := e.readFolder(folder)
	if err != nil {
		return err
	}
	if keys := slices.Sorted(maps.Keys(read.Variables)); len(keys) > 0 {
		e.tell("note: who can read the registry can read the variables of the environment: %s", strings.Join(keys, ", "))
	}
	wanted, err := environmentVersion(read.Name, read.Version)
	if err != nil {
		wanted = 0
	}
	made, err := definitions.Register(ctx, read.Name, wanted, func(version int) (map[string][]byte, error) {
		return files.Versioned(strconv.Itoa(version))
	})
	if err != nil {
		return err
	}
	if read.Version != "" && read.Version != strconv.Itoa(made.Version) {
		e.tell("note: version %q of the folder is taken, or no whole number of up to 9 digits: the environment is "+
			"registered as %s", read.Version, made.ID)
	}
	if err := e.reply(made); err != nil {
		return fmt.Errorf("environment %s is registered, but %w", made.ID, err)
	}
	return nil
}

// readFolder reads an environment and refuses one that could not be built, or whose
// password everybody could read.
func (e *environmentCommand) readFolder(folder string) (amlv1.EnvironmentFiles, amlv1.Environment, error) {
	files, err := amlv1.OpenEnvironmentDirectory(os.DirFS(e.options.path(folder)))
	if err != nil {
		return nil, amlv1.Environment{}, fmt.Errorf("the folder of the environment cannot be read: %w: "+
			"put a file there that can be read", err)
	}
	read, findings := files.Environment(folder)
	if findings.Err() == nil {
		_, found := environment.Of(amlv1.InferenceConfig{Environment: &read}, os.ReadFile)
		findings = append(findings, found...)
	}
	refuse := func(field, text string) {
		findings = append(findings, amlv1.Finding{File: folder + "/" + amlv1.EnvironmentFileNames()[0], Field: field,
			Message: text})
	}
	if read.Name == "" {
		refuse("name", "is not there, and the environment is registered under it: write a name in quotes")
	}
	if read.Docker.BaseImageRegistry.Password != "" {
		refuse("docker.baseImageRegistry.password", "would be read by all who may read the registry: remove it, and log in "+
			"with docker login")
	}
	e.warn(findings)
	return files, read, findings.Err()
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// importFlags are the flags of import.
type importFlags struct {
	services []string
	endpoint string
	dir      string
	withKeys bool
	keysFile string
}

func newImport(o *options) *cobra.Command {
	f := &importFlags{}
	c := &cobra.Command{
		Use:   "import [FILE]",
		Short: "Make Azure ML v1's files of a service that runs",
		Long: "Make Azure ML v1's files of a service that runs, and print the commands that deploy it. It is read from\n" +
			"a FILE (- is standard input) with the JSON of az ml service show -v, az ml endpoint realtime show, or\n" +
			"serialize(); from the params.json of Microsoft's migration tool for v1 services; or, with --service, from\n" +
			"the Deployment that Azure ML made in the cluster, whose image is then deployed as it is. An endpoint gets a\n" +
			"deployment config for each of its versions. Files that are there are never overwritten.\n\n" +
			"With keys, callers keep working: they go into the first deployment config, which nobody but its owner may\n" +
			"read, and from there into the endpoint's Secret. They are never printed.",
		Example: "  # From what the command line of Azure ML shows, with its keys\n" +
			"  az ml service show -v -n diabetes > service.json\n" +
			"  az ml service get-keys -n diabetes > keys.json\n" +
			"  kubectl aml import service.json --keys-file keys.json -d diabetes\n\n" +
			"  # From the cluster that it still runs in\n" +
			"  kubectl aml import --service diabetes -n azureml-research -d diabetes",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.importService(c.Context(), strings.Join(args, ""), f)
		},
	}
	fs := c.Flags()
	fs.StringArrayVar(&f.services, "service", nil, "Deployment in the namespace to read; several are versions of "+
		"--endpoint, the default one first")
	fs.StringVar(&f.endpoint, "endpoint", "", "Name of the endpoint (default: that of the service)")
	fs.StringVarP(&f.dir, "directory", "d", ".", "Folder to write to; it is made if it is not there")
	fs.BoolVar(&f.withKeys, "with-keys", false, "Carry over the keys that the export holds")
	fs.StringVar(&f.keysFile, "keys-file", "", "Carry over the keys in this file, the JSON of az ml service get-keys")
	return c
}

func (o *options) importService(ctx context.Context, file string, f *importFlags) error {
	var e amlv1.Exported
	var findings amlv1.Findings
	var err error
	switch {
	case (file == "") == (len(f.services) == 0):
		return usageError{errors.New("name either a file with an exported service, or a service in the cluster with " +
			"--service")}
	case file == "":
		e, findings, err = o.fromCluster(ctx, f.services)
	default:
		e, findings, err = o.fromFile(file)
	}
	if err != nil {
		return err
	}
	o.warn(findings)
	e.Name = cmp.Or(f.endpoint, e.Name)
	if err := errors.Join(findings.Err(), endpoint.ValidateName("endpoint", e.Name)); err != nil {
		return err
	}
	keys, err := o.importKeys(e, f)
	if err != nil {
		return err
	}
	return o.writeImport(e, keys, f)
}

func (o *options) fromFile(file string) (amlv1.Exported, amlv1.Findings, error) {
	text, err := o.readFile(file)
	if err != nil {
		return amlv1.Exported{}, nil, fmt.Errorf("the export cannot be read: %w", err)
	}
	e, findings := amlv1.ReadExport(file, text)
	return e, findings, nil
}

func (o *options) readFile(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(o.Streams.In)
	}
	return os.ReadFile(o.path(file))
}

// fromCluster reads the Deployments of services. The first gives the endpoint
// its name.
func (o *options) fromCluster(ctx context.Context, services []string) (amlv1.Exported, amlv1.Findings, error) {
	s, err := o.connect()
	if err != nil {
		return amlv1.Exported{}, nil, err
	}
	e := amlv1.Exported{Name: services[0]}
	var findings amlv1.Findings
	for i, name := range services {
		d, err := s.Kube.AppsV1().Deployments(s.Namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return e, nil, fmt.Errorf("no deployment %q in namespace %q: see kubectl get deployments -A -l %s=true",
				name, s.Namespace, amlv1.ServiceLabel)
		}
		if err != nil {
			return e, nil, err
		}
		v, found := amlv1.FromDeployment(*d)
		if len(services) > 1 {
			v.Name, v.Default = name, i == 0
		}
		e.Versions = append(e.Versions, v)
		findings = append(findings, found...)
	}
	return e, findings, nil
}

// importKeys are the keys to carry over, if they are asked for.
func (o *options) importKeys(e amlv1.Exported, f *importFlags) (amlv1.Keys, error) {
	switch {
	case f.keysFile != "":
		text, err := o.readFile(f.keysFile)
		if err != nil {
			return amlv1.Keys{}, fmt.Errorf("the keys cannot be read: %w", err)
		}
		keys, findings := amlv1.ReadKeys(f.keysFile, text)
		return keys, findings.Err()
	case f.withKeys && e.Keys == amlv1.Keys{}:
		return amlv1.Keys{}, errors.New("the export holds no keys: save the output of az ml service get-keys and name it " +
			"with --keys-file")
	case f.withKeys:
		return e.Keys, nil
	case e.Keys != amlv1.Keys{}:
		o.tell("note: the export holds keys, which are left out: carry them over with --with-keys")
	}
	return amlv1.Keys{}, nil
}

// writeImport writes the files and prints the commands.
func (o *options) writeImport(e amlv1.Exported, keys amlv1.Keys, f *importFlags) error {
	var files []newFile
	var commands []string
	for i, v := range e.Versions {
		suffix := ""
		if len(e.Versions) > 1 {
			suffix = "-" + v.Name
		}
		own := amlv1.Keys{}
		if i == 0 {
			own = keys
		}
		deploy := newFile{name: "deploymentconfig" + suffix + ".json", text: v.DeploymentFile(own),
			secret: own != amlv1.Keys{}}
		inference := newFile{name: "inferenceconfig" + suffix + ".json", text: v.InferenceFile()}
		files = append(files, deploy, inference)
		commands = append(commands, o.deployCommand(e.Name, v, deploy.name, inference.name))
	}
	if err := writeNew(o.path(f.dir), files); err != nil {
		return err
	}
	for _, file := range files {
		o.tell("wrote %s", filepath.Join(f.dir, file.name))
	}
	o.missing(e, f.dir)
	if filepath.Clean(f.dir) != "." {
		o.answer("cd %s", shellWord(f.dir))
	}
	for _, c := range commands {
		o.answer("%s", c)
	}
	return nil
}

// missing says what an export cannot have, and what to do about it.
func (o *options) missing(e amlv1.Exported, dir string) {
	if slices.ContainsFunc(e.Versions, func(v amlv1.ExportedVersion) bool { return v.Image == "" }) {
		o.tell("note: code and models are not in an export: put the score script into %s and its name into the "+
			"inference config; get each model with az ml model download, and write where it is for PATH", dir)
		return
	}
	o.tell("note: give -n with a namespace that the old service is not in: objects of both have the same names")
}

// deployCommand is the command that deploys a version with its files.
func (o *options) deployCommand(name string, v amlv1.ExportedVersion, deploy, inference string) string {
	words := []string{"kubectl aml deploy", name}
	if v.Image != "" {
		words = append(words, "--image", shellWord(v.Image))
	}
	for _, m := range v.Models {
		words = append(words, "--model", shellWord(m+"=PATH"))
	}
	if v.Control {
		words = append(words, "--control")
	}
	return strings.Join(append(words, "--inference-config", inference, "--deploy-config", deploy), " ")
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:=@%+,-]+$`)

// shellWord is text as one word of a shell's command line.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

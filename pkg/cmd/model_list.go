// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// filterFlags say which models are wanted.
type filterFlags struct {
	name, runID      string
	tags, properties []string
}

func (f *filterFlags) add(c *cobra.Command, m *modelCommand) {
	flags := c.Flags()
	flags.StringVar(&f.name, "model-name", "", "Only versions of this model")
	short(c, "model-name", "n")
	m.completeModelNames(c, "model-name", &m.registryFlags)
	flags.StringVar(&f.runID, "run-id", "", "Only models registered with this run")
	flags.StringArrayVar(&f.tags, "tag", nil, "Only models with this tag, NAME or NAME=VALUE; repeatable")
	flags.StringArrayVar(&f.properties, "property", nil, "Only models with this property, NAME or NAME=VALUE; repeatable")
}

func (f *filterFlags) match(r image.Registered) bool {
	return (f.runID == "" || f.runID == r.RunID) && holds(f.tags, []map[string]string{r.Tags}) &&
		holds(f.properties, []map[string]string{r.Properties})
}

func newModelList(o *options) *cobra.Command {
	var (
		m      modelCommand
		f      filterFlags
		latest bool
	)
	c := &cobra.Command{
		Use:   "list",
		Short: "List registered models",
		Long: "List registered models, every version or the latest of each. Without --model-name, the registry has to\n" +
			"be one that lists its repositories.",
		Args: exactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			models, err := m.open()
			if err != nil {
				return err
			}
			found, err := models.List(c.Context(), image.Filter{Name: f.name, Latest: latest, Match: f.match})
			if err != nil {
				return err
			}
			return m.print(append([]image.Registered{}, found...))
		},
	}
	m.add(c, o)
	f.add(c, &m)
	c.Flags().BoolVarP(&latest, "latest", "l", false, "Only the highest version of each model")
	return c
}

func newModelShow(o *options) *cobra.Command {
	var (
		m   modelCommand
		ref modelRef
		f   filterFlags
	)
	c := &cobra.Command{
		Use:   "show NAME[:VERSION]",
		Short: "Show a registered model",
		Long:  "Show a registered model; without a version, the highest. With filters, the highest that fits.",
		RunE: func(c *cobra.Command, args []string) error {
			if f.name != "" {
				args = append(args, f.name)
			}
			models, model, err := m.named(c, ref, args)
			if err != nil {
				return err
			}
			found, err := models.Find(c.Context(), model.Name, model.Version)
			if err == nil && !f.match(found) {
				found, err = f.highest(c, models, model)
			}
			if err != nil {
				return err
			}
			return m.print(found)
		},
	}
	m.add(c, o)
	ref.add(c, &m)
	f.add(c, &m)
	return c
}

// highest is the highest version of a model that fits the filter.
func (f *filterFlags) highest(c *cobra.Command, models image.Models, m image.Model) (image.Registered, error) {
	found, err := models.List(c.Context(), image.Filter{Name: m.Name, Match: func(r image.Registered) bool {
		return f.match(r) && (m.Version == 0 || m.Version == r.Version)
	}})
	if err != nil {
		return image.Registered{}, err
	}
	if len(found) == 0 {
		return image.Registered{}, fmt.Errorf("no version of model %s has the run, tags and properties asked for: "+
			"see kubectl aml model list --model-name %s", m, m.Name)
	}
	return found[len(found)-1], nil
}

func newModelUpdate(o *options) *cobra.Command {
	var (
		m                        modelCommand
		ref                      modelRef
		r                        resourceFlags
		addTags, removeTags, add []string
		description              string
	)
	c := &cobra.Command{
		Use:   "update NAME[:VERSION]",
		Short: "Change the description, tags and properties of a model",
		Long: "Change the description, tags and properties of a model; its files stay. Without a version, the highest.\n" +
			"Properties can be added and never changed.",
		RunE: func(c *cobra.Command, args []string) error {
			models, model, err := m.named(c, ref, args)
			if err != nil {
				return err
			}
			change := image.Change{RemoveTags: removeTags}
			if change.SetTags, err = pairs("add-tag", addTags); err != nil {
				return err
			}
			if change.AddProperties, err = pairs("add-property", add); err != nil {
				return err
			}
			if c.Flags().Changed("description") {
				change.Description = &description
			}
			now, err := models.Find(c.Context(), model.Name, model.Version)
			if err != nil {
				return err
			}
			change.Resources = r.resources(c, now.Resources)
			next, err := models.Update(c.Context(), now.Name, now.Version, change)
			if err != nil {
				return err
			}
			return m.print(next)
		},
	}
	m.add(c, o)
	ref.add(c, &m)
	f := c.Flags()
	f.StringVar(&description, "description", "", "What the model is for")
	f.StringArrayVar(&addTags, "add-tag", nil, "NAME=VALUE to set; repeatable")
	f.StringArrayVar(&removeTags, "remove-tag", nil, "NAME of a tag to remove; repeatable")
	f.StringArrayVar(&add, "add-property", nil, "NAME=VALUE to add; repeatable")
	r.add(c)
	return c
}

func newModelDownload(o *options) *cobra.Command {
	var (
		m         modelCommand
		ref       modelRef
		dir       string
		overwrite bool
	)
	c := &cobra.Command{
		Use:   "download NAME[:VERSION]",
		Short: "Download the file or folder of a registered model",
		Long:  "Download the file or folder of a registered model; without a version, the highest.",
		RunE: func(c *cobra.Command, args []string) error {
			models, model, err := m.named(c, ref, args)
			if err != nil {
				return err
			}
			found, err := models.Find(c.Context(), model.Name, model.Version)
			if err != nil {
				return err
			}
			file, err := models.Download(c.Context(), found, o.path(dir), overwrite)
			if err != nil {
				return err
			}
			m.tell("model: %s is in %s", found.ID, file)
			return m.print(found)
		},
	}
	m.add(c, o)
	ref.add(c, &m)
	c.Flags().StringVarP(&dir, "target-dir", "t", ".", "Folder to write it into")
	c.Flags().BoolVar(&overwrite, "overwrite", false, "Replace what is there")
	return c
}

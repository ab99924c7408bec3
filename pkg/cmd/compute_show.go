// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

// formatID prints the id of the cluster in Azure, as az aks show --query id does.
const formatID = "id"

// What a compute is found to be.
const (
	stateAttached    = "Attached"
	stateNotAttached = "NotAttached" // there is no record: somebody has detached it
	stateStale       = "Stale"       // another attachment is there by now
	stateUnreachable = "Unreachable"
	stateUnknown     = "Unknown" // the record cannot be read
)

// computeShown is a compute with what its cluster tells.
type computeShown struct {
	computeListed
	State string `json:"state"`
	// Message says why the state is not Attached.
	Message string `json:"message,omitempty"`
	// Record is what the cluster holds, if it is this compute's.
	Record *compute.Attachment `json:"record,omitempty"`
	liveCluster
	// Azure is what Azure tells of a cluster of AKS.
	Azure *aks.Cluster `json:"azure,omitempty"`
}

// newComputeShow shows a compute.
func newComputeShow(o *options) *cobra.Command {
	var access azureAccess
	var output string
	c := o.named(&cobra.Command{
		Use:   "show",
		Short: "Show a compute, its record and what its cluster has",
		Long: "Show a compute: the record in its cluster, the cluster's version and what its nodes have.\n\n" +
			"A cluster that does not answer, or is attached as something else by now, is shown with the reason.",
		Example: "  kubectl aml compute show fraud\n" +
			"  kubectl aml compute show -n fraud -o yaml",
	}, func(ctx context.Context, name string) error {
		word := tableFormat(output)
		if word == formatID {
			return o.showID(name)
		}
		format, err := printer.ParseFormat(word, printer.Wide, printer.JSON, printer.YAML, printer.Name)
		if err != nil {
			return usageError{fmt.Errorf("%w, %s", err, formatID)}
		}
		shown, err := o.showCompute(ctx, name, &access)
		if err != nil {
			return err
		}
		return shown.listing(o.Clock.Now()).Print(o.Streams.Out, o.Streams.ErrOut, format)
	})
	access.add(c, o.Getenv)
	c.Flags().StringVarP(&output, "output", "o", "", "Output format. One of: table, wide, json, yaml, name, id")
	completesFormats(c, "table", "wide", "json", "yaml", "name", formatID)
	return o.offersComputes(c)
}

func (o *options) showID(name string) error {
	c, ok, err := o.computeContext(name)
	switch {
	case err != nil:
		return err
	case !ok:
		return noCompute{name}
	case c.Marker.ResourceID == "":
		return fmt.Errorf("compute %s is no cluster of Azure: it has no id", name)
	}
	o.answer("%s", c.Marker.ResourceID)
	return nil
}

// showCompute asks the cluster, and Azure, at once.
func (o *options) showCompute(ctx context.Context, name string, access *azureAccess) (computeShown, error) {
	c, ok, err := o.computeContext(name)
	if err != nil {
		return computeShown{}, err
	}
	if !ok {
		return computeShown{}, noCompute{name}
	}
	s, err := o.connectCompute(c)
	if err != nil {
		return computeShown{}, err
	}
	limited, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	shown := computeShown{computeListed: listed(c)}
	azure := make(chan error, 1)
	go func() {
		var err error
		if c.Marker.Provider == compute.AKS {
			shown.Azure, err = o.askAzure(limited, *c.Marker, access)
		}
		azure <- err
	}()
	live, record, err := s.live(limited)
	azureErr := <-azure
	if ctx.Err() != nil {
		return computeShown{}, ctx.Err()
	}
	if azureErr != nil {
		o.tell("warning: Azure does not tell of compute %s: %v", name, azureErr)
	}
	shown.liveCluster = live
	shown.judge(*c.Marker, record, err)
	return shown, nil
}

// askAzure is what Azure tells of the cluster, beside what the cluster is asked.
func (o *options) askAzure(ctx context.Context, m compute.Marker, access *azureAccess) (*aks.Cluster, error) {
	t, err := aks.ParseTarget(m.ResourceID)
	if err != nil {
		return nil, err
	}
	access.subscription, access.compute = cmp.Or(access.subscription, t.Subscription), m.Name
	client, err := access.client(o)
	if err != nil {
		return nil, err
	}
	now, err := client.Get(ctx, t)
	if err != nil {
		return nil, err
	}
	return &now, nil
}

// judge sets the state by the record that was found, or by why it was not.
func (s *computeShown) judge(known compute.Marker, r compute.Record, err error) {
	var denied *compute.DeniedError
	switch {
	case errors.Is(err, compute.ErrNotAttached):
		s.State, s.Message = stateNotAttached, "the cluster has no record of an attachment: somebody has detached it"
	case errors.As(err, &denied):
		s.State, s.Message = stateUnknown, err.Error()
	case err != nil && unreachable(err):
		s.State, s.Message = stateUnreachable, reason(err)
	case err != nil:
		s.State, s.Message = stateUnknown, Message(err)
	case r.UID != known.AttachmentUID:
		stale := compute.StaleError{Found: r,
			Have: compute.Record{Attachment: compute.Attachment{Name: known.Name}, UID: known.AttachmentUID}}
		s.State, s.Message = stateStale, stale.Error()
	default:
		s.State, s.Record = stateAttached, &r.Attachment
	}
}

// listing is the compute as a table of one row.
func (s *computeShown) listing(now time.Time) printer.Listing {
	a := compute.Attachment{}
	if s.Record != nil {
		a = *s.Record
	}
	by, age, tls := none, none, none
	if s.Record != nil {
		by, age = a.AttachedBy, duration.HumanDuration(now.Sub(a.AttachedAt))
		tls = cmp.Or(a.TLS.Host, a.TLS.DNSLabel, none)
	}
	return printer.Listing{
		Columns: []printer.Column{{Name: "Name"}, {Name: "State"}, {Name: "Provider"}, {Name: "Purpose"}, {Name: "Namespace"},
			{Name: "Version"}, {Name: "Nodes"}, {Name: "CPUs"}, {Name: "GPUs"}, {Name: "Age"},
			{Name: "Attached-By", Wide: true}, {Name: "Load-Balancer", Wide: true}, {Name: "TLS", Wide: true},
			{Name: "Server", Wide: true}, {Name: "Resource-Id", Wide: true}},
		Rows: [][]any{{s.Name, s.State, orNone(string(s.Provider)), orNone(string(a.Purpose)), s.Namespace,
			orNone(s.Version), s.count(s.Nodes), s.count(s.CPUs), s.count(s.GPUs), age,
			by, orNone(string(a.LoadBalancer.Type)), tls, s.Server, orNone(s.ResourceID)}},
		Names: []string{"compute/" + s.Name}, Object: s, Note: s.Message,
	}
}

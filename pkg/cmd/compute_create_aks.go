// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	acs "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v9"
	"github.com/spf13/cobra"

	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
	"github.com/kubectl-aml/kubectl-aml/pkg/printer"
)

// createAKS is compute create aks at work.
type createAKS struct {
	createFlags
	azureAccess
	wayIn
	noWait  bool
	dryRun  string
	output  string
	timeout time.Duration
}

// createTime is how long a cluster may take: Azure needs 5 to 10 minutes.
const createTime = 30 * time.Minute

func newCreateAKS(o *options) *cobra.Command {
	f := &createAKS{}
	c := o.named(&cobra.Command{
		Use:   "aks",
		Short: "Create a cluster of AKS and attach it",
		Long: "Create a cluster of AKS and attach it as the compute NAME. It takes Azure some minutes; a run that is\n" +
			"stopped is gone on with by the same command or by compute wait. Azure is asked for the cluster once.\n\n" +
			"The flags of Azure ML v1 mean what they meant. What Azure has retired since is refused or remarked, with\n" +
			"what takes its place. FastProd, the default, needs 12 vCPUs and 3 nodes.",
		Example: "  # 3 nodes with 4 vCPUs each\n" +
			"  kubectl aml compute create aks -n fraud -g ml -l eastus\n\n" +
			"  # One small node to try things on\n" +
			"  kubectl aml compute create aks -n trial -g ml -l eastus --cluster-purpose DevTest\n\n" +
			"  # What would be asked of Azure\n" +
			"  kubectl aml compute create aks -n fraud -g ml -l eastus --dry-run -o yaml",
	}, func(ctx context.Context, name string) error { return o.createAKS(ctx, name, f) })
	f.createFlags.add(c)
	f.azureAccess.add(c, o.Getenv)
	f.wayIn.add(c)
	s := c.Flags()
	s.BoolVar(&f.noWait, "no-wait", false, "Return when Azure has begun; compute wait attaches the cluster then")
	s.StringVar(&f.dryRun, "dry-run", "none", "none, or client to print the request and ask nobody")
	s.Lookup("dry-run").NoOptDefVal = "client"
	s.StringVarP(&f.output, "output", "o", "", "Output format. One of: json, yaml, name, id")
	s.DurationVar(&f.timeout, "timeout", createTime, "How long to wait for the cluster")
	completesFormats(c, "json", "yaml", "name", formatID)
	return c
}

func (o *options) createAKS(ctx context.Context, name string, f *createAKS) error {
	if _, err := f.format(); err != nil {
		return err
	}
	cluster, err := f.createFlags.options(name)
	if err != nil {
		return err
	}
	if f.noWait && f.ssl.given() {
		return usageError{errors.New("--ssl-… with --no-wait: there is no cluster yet to keep a certificate in: " +
			"run compute update-ssl when it is there")}
	}
	if f.dryRun != "none" {
		return o.printRequest(ctx, cluster, f)
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	return o.makeAKS(ctx, name, f, cluster)
}

// makeAKS has Azure make the cluster, and attaches it.
func (o *options) makeAKS(ctx context.Context, name string, f *createAKS, cluster aks.ClusterOptions) error {
	a, err := f.read(name, compute.AKS)
	if err != nil {
		return err
	}
	a.Created, a.Namespace = true, *o.flags.Namespace
	f.compute = name
	settings, err := f.settings(o)
	if err != nil {
		return err
	}
	cluster.Target.Subscription = settings.Subscription
	a.ResourceID = cluster.Target.ID()
	after := aks.After{Attachment: a, Registry: cluster.Registry, Subnet: cluster.SubnetID(),
		Measure: cluster.Nodes.VMSize == aks.AutoVMSize && !f.skipCapacity, Use: f.use}
	if f.ssl.given() { // for compute wait, which has not got the certificate
		after.Attachment.TLS.Secret = compute.TLSSecret
	}
	settings.After = &after
	client, err := aks.New(settings)
	if err != nil {
		return err
	}
	if err := o.freeName(name, a.ResourceID, f.overwrite); err != nil {
		return err
	}
	if _, _, err := client.Operation(cluster.Target); err != nil {
		return err // its file was changed: nothing is sent
	}
	mc, location, err := o.buildAKS(ctx, client, cluster)
	if err != nil {
		return err
	}
	now, err := client.Create(ctx, cluster.Target, mc, !f.noWait)
	if err != nil {
		return err
	}
	if f.noWait {
		o.tell("Azure has begun (%s): kubectl aml compute wait -n %s goes on", now.State, name)
		return o.answerCluster(f, name, "creating", now)
	}
	f.ssl.region = location
	if err := o.finish(ctx, client, now, after, joining{f.attachment, f.wayIn, a}); err != nil {
		return err
	}
	return o.answerCluster(f, name, "created", now)
}

// finish attaches a cluster that was made, and then forgets that it is being made:
// until then the same command goes on. The size was looked at before it was made,
// if it was known.
func (o *options) finish(ctx context.Context, client *aks.Client, now aks.Cluster, after aks.After, j joining) error {
	j.skipCapacity, j.use = j.skipCapacity || !after.Measure, j.use || after.Use
	for _, warning := range client.Assign(ctx, now, after) {
		o.tell("warning: %s", warning)
	}
	if _, err := o.join(ctx, client, now.Target, j); err != nil {
		err = &notAttached{name: j.record.Name, cause: err}
		if ctx.Err() != nil {
			return computeError{err, exitUnderWay}
		}
		return err
	}
	return client.Forget(now.Target)
}

// notAttached is what a cluster that was made is not attached for. It says itself
// how to go on, whatever its cause is.
type notAttached struct {
	name  string
	cause error
}

func (e *notAttached) Error() string {
	return "the cluster is there and not attached yet: " + Message(e.cause) +
		"; then run kubectl aml compute wait -n " + e.name
}

func (e *notAttached) Unwrap() error { return e.cause }

// freeName refuses a name that a context for another cluster has.
func (o *options) freeName(name, id string, overwrite bool) error {
	c, ok, err := o.kubeconfig().Context(name)
	if err != nil || !ok || overwrite {
		return err
	}
	if c.Marker != nil && strings.EqualFold(c.Marker.ResourceID, id) {
		return nil
	}
	return computeError{fmt.Errorf("the kubeconfig has a context %s, of another cluster: take another name, "+
		"or add --overwrite-existing", name), exitConflict}
}

// buildAKS asks Azure for what has to be known, and puts the request together.
func (o *options) buildAKS(
	ctx context.Context, client *aks.Client, cluster aks.ClusterOptions,
) (mc acs.ManagedCluster, location string, err error) {
	facts := aks.Facts{}
	if cluster.Location == "" && cluster.Target.ResourceGroup != "" {
		if facts.Location, err = client.GroupLocation(ctx, cluster.Target); err != nil {
			return mc, "", err
		}
	}
	location = cmp.Or(cluster.Location, facts.Location)
	if location != "" {
		if facts.SKUs, err = o.sizes(ctx, client, location); err != nil {
			return mc, "", err
		}
		if cluster.KubernetesVersion != "" {
			if facts.Versions, err = o.versions(ctx, client, location); err != nil {
				return mc, "", err
			}
		}
	}
	mc, err = o.requestOf(cluster, facts)
	if err == nil {
		o.tellQuota(ctx, client, location, cluster.Needs(facts))
		if w := client.Prepare(ctx, cluster.Target, cluster.Identity.Assigned, cluster.SubnetID()); w != "" {
			o.tell("warning: %s", w)
		}
	}
	return mc, location, err
}

// requestOf is the request, with what people should know of it told.
func (o *options) requestOf(cluster aks.ClusterOptions, facts aks.Facts) (acs.ManagedCluster, error) {
	mc, warnings, err := cluster.Build(facts)
	for _, w := range warnings {
		o.tell("warning: %s", w)
	}
	if err != nil && aks.ReasonOf(err) != aks.Quota {
		return mc, usageError{errors.New(lines(err))}
	}
	return mc, err
}

// sizes are the VM sizes of the region; nil, which has their names gone by, when
// Azure does not tell.
func (o *options) sizes(ctx context.Context, client *aks.Client, location string) (map[string]aks.SKU, error) {
	sizes, err := client.SKUs(ctx, location)
	switch aks.ReasonOf(err) {
	case aks.UnderWay, aks.Throttled, aks.Denied, aks.NotFound:
		if ctx.Err() == nil && !aks.SignedOut(err) {
			o.tell("warning: the VM sizes of %s are estimated by their names: %v", location, err)
			return nil, nil
		}
	}
	return sizes, err
}

// versions are those of Kubernetes that the region has, with their patches.
func (o *options) versions(ctx context.Context, client *aks.Client, location string) ([]string, error) {
	offered, err := client.Versions(ctx, location)
	var all []string
	for _, v := range offered {
		all = append(all, append([]string{v.Version}, v.Patches...)...)
	}
	return all, err
}

// tellQuota warns when the quota is not enough. Azure decides.
func (o *options) tellQuota(ctx context.Context, client *aks.Client, location string, needs map[string]int) {
	quotas, err := client.Quotas(ctx, location)
	if err != nil {
		o.tell("warning: the quota of vCPUs is not known: %v", err)
		return
	}
	for _, q := range quotas {
		for family, need := range needs {
			if left := q.Limit - q.Used; strings.EqualFold(family, q.Family) && int64(need) > left {
				o.tell("warning: the quota %s in %s has %d of %d vCPUs left and the cluster needs %d: ask for more at "+
					"aka.ms/AzurePortalQuota", q.Family, location, max(left, 0), q.Limit, need)
			}
		}
	}
}

// printRequest answers with what would be asked of Azure.
func (o *options) printRequest(ctx context.Context, cluster aks.ClusterOptions, f *createAKS) error {
	if f.dryRun != "client" {
		return usageError{fmt.Errorf("--dry-run=%s is not known: write client", f.dryRun)}
	}
	where, err := aks.CloudNamed(f.cloud, f.endpoint)
	if err != nil {
		return usageError{err}
	}
	if cluster.Target.Subscription, err = f.inSubscription(o); err != nil {
		return err
	}
	mc, err := o.requestOf(cluster, aks.Facts{})
	if err != nil {
		return err
	}
	request, err := aks.CreateRequest(ctx, where, cluster.Target, mc)
	if err != nil {
		return err
	}
	format := printer.JSON
	if f.output == "yaml" {
		format = printer.YAML
	}
	return printer.Listing{Object: request}.Print(o.Streams.Out, o.Streams.ErrOut, format)
}

func (f *createAKS) format() (string, error) {
	if !slices.Contains([]string{"", "json", "yaml", "name", formatID}, f.output) {
		return "", usageError{fmt.Errorf("output format %q is not known: write json, yaml, name or id", f.output)}
	}
	if f.dryRun != "none" && (f.output == "name" || f.output == formatID) {
		return "", usageError{errors.New("--dry-run prints the request: write -o json or yaml")}
	}
	return f.output, nil
}

// answerCluster answers with the cluster, or with what became of the compute.
func (o *options) answerCluster(f *createAKS, name, became string, now aks.Cluster) error {
	switch f.output {
	case "":
		o.answer("compute/%s %s", name, became)
	case "name":
		o.answer("compute/%s", name)
	case formatID:
		o.answer("%s", now.ID())
	default:
		return printer.Listing{Object: now}.Print(o.Streams.Out, o.Streams.ErrOut, printer.Format(f.output))
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
)

// answerTime is how long a cluster may take that might not be there any more.
const answerTime = 15 * time.Second

func newComputeDetach(o *options) *cobra.Command {
	var force, localOnly bool
	c := o.named(&cobra.Command{
		Use:   "detach",
		Short: "Detach a compute; what runs there goes on",
		Long: "Detach a compute: its record goes out of the cluster, and its context out of the kubeconfig.\n\n" +
			"Nothing else is deleted. Endpoints go on serving; as long as there are any, --force is needed.",
		Example: "  # Before another team attaches the cluster\n" +
			"  kubectl aml compute detach fraud\n\n" +
			"  # Forget a compute whose cluster is gone\n" +
			"  kubectl aml compute detach fraud --local-only",
	}, func(ctx context.Context, name string) error {
		if localOnly {
			return o.forgetCompute(ctx, name)
		}
		return o.detach(ctx, name, force)
	})
	c.Flags().BoolVar(&force, "force", false, "Detach though there are endpoints, which go on serving")
	c.Flags().BoolVar(&localOnly, "local-only", false, "Only take the context out of the kubeconfig; ask no cluster")
	c.MarkFlagsMutuallyExclusive("force", "local-only")
	return o.offersComputes(c)
}

// forgetCompute takes the compute's context out of the kubeconfig.
func (o *options) forgetCompute(ctx context.Context, name string) error {
	c, ok, err := o.computeContext(name)
	if err != nil {
		return err
	}
	if !ok {
		return noCompute{name}
	}
	if err := o.kubeconfig().Remove(ctx, c.Name); err != nil {
		return err
	}
	o.tellCurrentGone(c)
	o.answer("compute/%s forgotten (the cluster was not asked)", name)
	return nil
}

// tellCurrentGone warns as kubectl config delete-context does.
func (o *options) tellCurrentGone(c compute.Context) {
	if c.Current {
		o.tell("warning: %s was your current context: choose another with kubectl config use-context", c.Name)
	}
}

// detach deletes the record of the compute that is called name, if it is the one
// that the kubeconfig knows.
func (o *options) detach(ctx context.Context, name string, force bool) error {
	c, known, err := o.computeContext(name)
	if err != nil {
		return err
	}
	s, r, err := o.recordOf(ctx, name, c, known)
	switch {
	case errors.Is(err, compute.ErrNotAttached) && known:
		o.tell("note: somebody has detached compute %s already", name)
		return o.detached(ctx, name, c, known)
	case err != nil:
		return err
	}
	if err := s.idle(ctx, r, force); err != nil {
		return err
	}
	if err := compute.Detach(ctx, s.Kube, r); err != nil {
		return err
	}
	return o.detached(ctx, name, c, known)
}

// recordOf connects to a compute's cluster and reads its record, if that is the
// compute's.
func (o *options) recordOf(
	ctx context.Context, name string, c compute.Context, known bool,
) (*Session, compute.Record, error) {
	s, err := o.connectCompute(c)
	if err != nil {
		return nil, compute.Record{}, err
	}
	r, err := readInTime(ctx, s, name)
	if err == nil {
		err = isOf(r, name, c, known)
	}
	return s, r, err
}

// isOf refuses a record that is not the compute's: the kubeconfig knows another
// attachment, or it has another name.
func isOf(r compute.Record, name string, c compute.Context, known bool) error {
	if known && c.Marker.AttachmentUID != r.UID {
		return &compute.StaleError{Found: r,
			Have: compute.Record{Attachment: compute.Attachment{Name: name}, UID: c.Marker.AttachmentUID}}
	}
	if r.Name != name {
		return fmt.Errorf("the cluster is attached as %s, not as %s: %w", r.Name, name, noCompute{name})
	}
	return nil
}

func (o *options) detached(ctx context.Context, name string, c compute.Context, known bool) error {
	if known {
		if err := o.kubeconfig().Remove(ctx, c.Name); err != nil {
			return fmt.Errorf("the cluster is detached, but its context stays: %w; "+
				"then write kubectl aml compute detach -n %s --local-only", err, name)
		}
		o.tellCurrentGone(c)
	}
	o.answer("compute/%s detached", name)
	return nil
}

// readInTime reads the record. Of a cluster that does not answer it says how to
// go on without it.
func readInTime(ctx context.Context, s *Session, name string) (compute.Record, error) {
	limited, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	r, err := compute.Read(limited, s.Kube)
	if err != nil && unreachable(err) && ctx.Err() == nil {
		return r, fmt.Errorf("%s; if it is gone for good, forget it with kubectl aml compute detach -n %s --local-only",
			reason(err), name)
	}
	return r, err
}

// unreachable tells whether a cluster gave no answer at all.
func unreachable(err error) bool {
	var fails net.Error
	return errors.As(err, &fails) || errors.Is(err, context.DeadlineExceeded)
}

// reason is why a cluster gave no answer, in one sentence.
func reason(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "the cluster does not answer in time"
	}
	return Message(err)
}

// servingError is for a compute that still has endpoints.
type servingError struct {
	name      string
	endpoints []string
}

func (e servingError) Error() string {
	return fmt.Sprintf("compute %s still has %s, which would go on serving: "+
		"delete them with kubectl aml delete endpoint, or detach with --force", e.name, strings.Join(e.endpoints, ", "))
}

// idle refuses a compute with endpoints, unless force is set. A user who may not
// look into all namespaces looks into the compute's own.
func (s *Session) idle(ctx context.Context, r compute.Record, force bool) error {
	if force {
		return nil
	}
	releases, err := s.Releases.List(ctx, true)
	if apierrors.IsForbidden(err) {
		releases, err = s.Releases.List(ctx, false)
	}
	if err != nil {
		return fmt.Errorf("what is deployed cannot be found out: %w; --force detaches without", err)
	}
	releases = slices.DeleteFunc(releases, func(r release.Release) bool { return s.going(ctx, r.Namespace) })
	if len(releases) == 0 {
		return nil
	}
	return servingError{r.Name, endpointsOf(releases)}
}

// going tells whether a namespace is being deleted: its pods go first, and the
// records of its endpoints are there for minutes.
func (s *Session) going(ctx context.Context, namespace string) bool {
	n, err := s.Kube.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{})
	return err == nil && n.DeletionTimestamp != nil
}

func endpointsOf(releases []release.Release) []string {
	var names []string
	for _, r := range releases {
		names = append(names, "endpoint/"+r.Name+" (namespace "+r.Namespace+")")
	}
	return names
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// logFlags say which lines of which containers are wanted.
type logFlags struct {
	version, container string
	follow, previous   bool
	tail               int64
}

func newLogs(o *options) *cobra.Command {
	var l logFlags
	c := &cobra.Command{
		Use:   "logs ENDPOINT",
		Short: "Print what the scoring containers of an endpoint write",
		Example: "  # What score.py of all versions printed\n" +
			"  kubectl aml logs diabetes\n\n" +
			"  # Follow one version; its router's log with -c router\n" +
			"  kubectl aml logs diabetes --version green -f",
		Args:              exactArgs(1),
		ValidArgsFunction: o.completeEndpoints,
		RunE:              func(c *cobra.Command, args []string) error { return o.logs(c.Context(), args[0], l) },
	}
	f := c.Flags()
	f.StringVar(&l.version, "version", "", "Only the pods of this version")
	f.StringVarP(&l.container, "container", "c", "scoring", "One of: scoring, limiter, router")
	f.BoolVarP(&l.follow, "follow", "f", false, "Go on with new lines until interrupted")
	f.BoolVarP(&l.previous, "previous", "p", false, "Of the container's instance before the last restart")
	f.Int64Var(&l.tail, "tail", 100, "How many lines of each container; -1 for all")
	return c
}

func (o *options) logs(ctx context.Context, name string, l logFlags) error {
	if !slices.Contains([]string{"scoring", "limiter", "router"}, l.container) {
		return usageError{fmt.Errorf("container %q is not known: write scoring, limiter or router", l.container)}
	}
	s, err := o.connect()
	if err != nil {
		return err
	}
	d, err := s.endpoint(ctx, name)
	if err != nil {
		return err
	}
	if _, ok := d.Versions[l.version]; l.version != "" && !ok {
		return fmt.Errorf("endpoint %q has no version %q: there is %s", name, l.version,
			strings.Join(d.VersionNames(), ", "))
	}
	pods, err := s.pods(ctx, name, l)
	if err != nil {
		return err
	}
	return s.stream(ctx, o.Streams.Out, pods, l)
}

// pods are those that have the container wanted, by version and name.
func (s *Session) pods(ctx context.Context, name string, l logFlags) ([]corev1.Pod, error) {
	selector := instanceLabel + "=" + name
	switch {
	case l.container == "router":
		selector += ",app.kubernetes.io/component=router"
	case l.version != "":
		selector += "," + versionLabel + "=" + l.version
	default:
		selector += "," + versionLabel
	}
	list, err := s.Kube.CoreV1().Pods(s.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	if len(list.Items) == 0 {
		return nil, fmt.Errorf("endpoint %q has no pod with a %s container: see kubectl aml status %s",
			name, l.container, name)
	}
	slices.SortFunc(list.Items, func(a, b corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	return list.Items, nil
}

// stream copies the logs of all pods to out, line by line; with several pods
// each line starts with the pod's name.
func (s *Session) stream(ctx context.Context, out io.Writer, pods []corev1.Pod, l logFlags) error {
	var (
		turn sync.Mutex
		opts = corev1.PodLogOptions{Container: l.container, Follow: l.follow, Previous: l.previous}
	)
	if l.tail >= 0 {
		opts.TailLines = &l.tail
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, pod := range pods {
		prefix := ""
		if len(pods) > 1 {
			prefix = pod.Name + " "
		}
		copyLog := func() error {
			log, err := s.Kube.CoreV1().Pods(s.Namespace).GetLogs(pod.Name, &opts).Stream(ctx)
			if err != nil {
				return err
			}
			defer log.Close()
			return copyLines(log, func(line string) {
				turn.Lock()
				defer turn.Unlock()
				fmt.Fprint(out, prefix+line)
			})
		}
		if !l.follow { // one after the other: lines of a pod stay together
			if err := copyLog(); err != nil {
				return err
			}
			continue
		}
		group.Go(copyLog)
	}
	return group.Wait()
}

// copyLines hands on line after line, the last one even if it does not end.
func copyLines(in io.Reader, line func(string)) error {
	lines := bufio.NewReader(in)
	for {
		text, err := lines.ReadString('\n')
		if text != "" {
			line(text)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

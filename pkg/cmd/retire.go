// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kubectl-aml/kubectl-aml/pkg/chart"
	"github.com/kubectl-aml/kubectl-aml/pkg/release"
	"github.com/kubectl-aml/kubectl-aml/pkg/status"
)

const (
	// sickLooks is how many looks in a row must find that the promoted version
	// does not serve.
	sickLooks = 2
	// retireNews is the time after which is said how long it takes yet.
	retireNews = time.Minute
	// retireEvery is the time between two looks at the promoted version.
	retireEvery = 2 * time.Second
)

// retirement deletes, after a time, the versions that a promotion has relieved
// of their traffic.
type retirement struct {
	revision
	promoted string
	relieved []string
	// number is that of the revision that promoted.
	number int
}

// watch returns nil when the time is over and the promotion still stands. It
// ends with an error when somebody changes the endpoint, when the promoted
// version does not serve any more, and with the context.
func (r retirement) watch(ctx context.Context, after time.Duration) error {
	start, spoke, sick, trouble := r.Clock.Now(), r.Clock.Now(), 0, false
	r.tell("%s: deleted in %s; Ctrl-C keeps them", versionObjects(r.relieved), after)
	for {
		ill, err := r.check(ctx)
		switch {
		case ctx.Err() != nil:
			return r.kept("interrupted: the promotion stays")
		case errors.As(err, new(keptError)):
			return err
		case err != nil && !trouble:
			r.tell("cannot ask the cluster, trying again: %v", err)
		case ill != "":
			sick++
		default:
			sick = 0
		}
		trouble = err != nil
		if sick >= sickLooks {
			return r.kept(fmt.Sprintf("version %s does not serve any more (%s)", r.promoted, ill))
		}
		left := after - r.Clock.Since(start)
		if left <= 0 {
			return nil
		}
		if r.Clock.Since(spoke) >= retireNews {
			spoke = r.Clock.Now()
			r.tell("%s: deleted in %s", versionObjects(r.relieved), left.Round(time.Second))
		}
		select {
		case <-ctx.Done():
			return r.kept("interrupted: the promotion stays")
		case <-r.Clock.After(min(left, retireEvery)):
		}
	}
}

// check looks once. It returns what keeps the promoted version from serving, a
// keptError if there is another revision than that of the promotion.
func (r retirement) check(ctx context.Context) (ill string, err error) {
	now, err := r.session.endpoint(ctx, r.name)
	switch {
	case errors.Is(err, release.ErrNotFound):
		return "", keptError{err}
	case err != nil:
		return "", err
	}
	if err := r.stands(now.release); err != nil {
		return "", err
	}
	at, err := r.look(ctx, r.promoted)
	if err != nil || at.Ready > 0 && at.Verdict.State != status.Failed {
		return "", err
	}
	return at.Verdict.Message, nil
}

// stands refuses another revision than that of the promotion: somebody may have
// given a version its traffic back.
func (r retirement) stands(now release.Release) error {
	if now.Revision == r.number {
		return nil
	}
	return r.kept(fmt.Sprintf("endpoint %s was changed meanwhile, revision %d: %s", r.name, now.Revision, now.Description))
}

// run deletes the versions in one revision, once the promoted one is as ready as
// for its promotion.
func (r retirement) run(ctx context.Context) (release.Result, error) {
	switch err := r.awaitReady(ctx, r.promoted); {
	case ctx.Err() != nil:
		return release.Result{}, r.kept("interrupted: the promotion stays")
	case err != nil:
		return release.Result{}, fmt.Errorf("%w; %w", err, r.kept("the promoted version is not ready"))
	}
	return r.revise(ctx, edit{
		description: "retire " + strings.Join(r.relieved, " "),
		apply: func(d deployed) (chart.Values, error) {
			if err := r.stands(d.release); err != nil {
				return chart.Values{}, err
			}
			next, err := withoutVersions(d.Endpoint, r.relieved)
			return d.with(next), err
		},
	})
}

// keptError says why nothing was retired.
type keptError struct{ error }

func (e keptError) Unwrap() error { return e.error }

// kept says why, and with what the versions can be deleted.
func (r retirement) kept(why string) error {
	return keptError{fmt.Errorf("%s, nothing is retired: kubectl aml delete version %s %s does it all the same",
		why, r.name, strings.Join(r.relieved, " "))}
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"cmp"
	"context"
	"errors"
)

// Delete uninstalls an endpoint, under its Lease, whatever state it is in, and
// returns when its objects, their pods included, are gone. Nothing of it is left
// but what is not part of the release: the Secret with the keys, if the chart
// did not make it. Errors: ErrNotFound, ErrForeign, *HeldError and those of the
// cluster. A Delete that was interrupted is finished by the next Delete or Apply.
func (c *Client) Delete(ctx context.Context, name string, o DeleteOptions) error {
	if _, err := c.History(ctx, name); err != nil && (o.Gone == nil || !errors.Is(err, ErrNotFound)) {
		return err // do not write a Lease for what is not there
	}
	return c.underLease(ctx, name, func(ctx context.Context, s *session) error {
		at, err := s.look(ctx)
		if err != nil {
			return err
		}
		if at.state == stateAbsent {
			return cmp.Or(o.gone(ctx), s.notFound(name))
		}
		if at.state == statePending {
			if err := s.alive(at); err != nil {
				return err
			}
		}
		err = s.uninstall(ctx, at, cmp.Or(o.Timeout, hookTimeout), "foreground")
		if err != nil && ctx.Err() != nil {
			return interrupted(ctx)
		}
		if err != nil {
			return err
		}
		return o.gone(ctx)
	})
}

func (o DeleteOptions) gone(ctx context.Context) error {
	if o.Gone == nil {
		return nil
	}
	return o.Gone(ctx)
}

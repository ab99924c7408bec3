// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package build

import (
	"context"
	"errors"
	"fmt"
)

// Open finds a builder. One that is not there is told as an *UnavailableError.
type Open func(ctx context.Context) (Builder, error)

// Any builds with the first builder that can, and calls begin with each before it
// builds. One that is not there is passed over, and also one that says with an
// *UnavailableError, when it is to build, that it cannot: r.Log is told of either.
// When none can, the error has the reasons of all and is an *UnavailableError.
// A build that fails, or that ctx ends, is no reason to try another builder.
func Any(ctx context.Context, r Request, begin func(Builder), builders ...Open) (Result, error) {
	if len(builders) == 0 {
		return Result{}, fmt.Errorf("no builder for %s: name one", r.Name)
	}
	var passed error
	for i, open := range builders {
		result, err := attempt(ctx, r, begin, open)
		switch {
		case err == nil:
			return result, nil
		case ctx.Err() != nil:
			return Result{}, fmt.Errorf("the build of %s was ended: %w", r.Name, context.Cause(ctx))
		case !errors.As(err, new(*UnavailableError)):
			return Result{}, err
		case i+1 < len(builders):
			r.log(err.Error())
		}
		if passed == nil {
			passed = err
		} else {
			passed = fmt.Errorf("%w; %w", passed, err)
		}
	}
	return Result{}, passed
}

func attempt(ctx context.Context, r Request, begin func(Builder), open Open) (Result, error) {
	builder, err := open(ctx)
	if err != nil {
		return Result{}, err
	}
	begin(builder)
	return builder.Build(ctx, r)
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

//go:build !linux

package load

import (
	"time"

	"k8s.io/utils/clock"
)

func pause(d time.Duration) { clock.RealClock{}.Sleep(d) }

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package dataplane tests the chart's configurations on the real engines:
// routers on Envoy, limiters on HAProxy, everything on loopback. Nothing here
// is part of the program.
package dataplane

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"net/http"
	"strconv"
)

// caller is who sends the request of a number, and the settings to send it
// with; nobody in particular unless -callers names a header.
func (s settings) caller(number int) (string, settings) {
	if s.callers == "" {
		return "", s
	}
	name := "caller-" + strconv.Itoa(number)
	header := http.Header(s.headers).Clone()
	header.Set(s.callers, name)
	s.headers = headerFlags(header)
	return name, s
}

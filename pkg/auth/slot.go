// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package auth

import (
	"fmt"
	"strings"
)

// The places in the text of a slot where the keys go.
const (
	primaryPlace   = "@PRIMARY@"
	secondaryPlace = "@SECONDARY@"
)

// RenderSlot puts the keys into the text of the router's auth slot, the chart's
// files/auth-key.yaml. It refuses keys that Keys.Validate refuses, so that no
// key can end a YAML string, and a text without a place for both keys.
func RenderSlot(text string, keys Keys) (string, error) {
	if err := keys.Validate(); err != nil {
		return "", err
	}
	for _, place := range []string{primaryPlace, secondaryPlace} {
		if !strings.Contains(text, place) {
			return "", fmt.Errorf("the router's auth slot has no %s: this build's chart is damaged", place)
		}
	}
	replacer := strings.NewReplacer(primaryPlace, keys.Primary.Reveal(), secondaryPlace, keys.Secondary.Reveal())
	return replacer.Replace(text), nil
}

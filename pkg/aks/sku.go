// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"regexp"
	"strconv"
	"strings"
)

// SKU is what Azure says of a VM size in a location.
type SKU struct {
	Name   string
	Family string
	// CPUs are the vCPUs that a node can use, which may be fewer than the
	// machine's.
	CPUs     int
	GPUs     int
	MemoryGB float64
	// Arm machines run no images for amd64.
	Arm bool
	// Estimated says that Azure was not asked: CPUs comes from the name.
	Estimated bool
	// Restriction is why the subscription cannot have the size; empty if it can.
	Restriction string
}

// oldDSizes are the vCPUs of the D and DS sizes of the first two generations,
// whose names count sizes and not vCPUs. Source: the size pages of Azure's
// documents, "Dv2 and DSv2-series".
func oldDSizes() map[int]int {
	return map[int]int{1: 1, 2: 2, 3: 4, 4: 8, 5: 16, 11: 2, 12: 4, 13: 8, 14: 16, 15: 20}
}

// EstimateSKU reads the vCPUs off the name of a size: Standard_D4s_v5 has 4,
// Standard_M8-2ms can use 2 of 8. It knows nothing of GPUs and memory, and says
// false for a name that is not like Azure's.
func EstimateSKU(name string) (SKU, bool) {
	parts := regexp.MustCompile(
		`(?i)^Standard_([A-Z]+)(\d{1,4})(?:-(\d{1,4}))?([a-z]*)(?:_\w+)?$`).FindStringSubmatch(name)
	if parts == nil {
		return SKU{}, false
	}
	number := parts[2]
	if parts[3] != "" {
		number = parts[3]
	}
	cpus, err := strconv.Atoi(number)
	if err != nil || cpus == 0 {
		return SKU{}, false
	}
	if old := strings.ToUpper(parts[1]); parts[3] == "" && (old == "D" || old == "DS") && oldGeneration(name) {
		known, ok := oldDSizes()[cpus]
		if !ok {
			return SKU{}, false
		}
		cpus = known
	}
	// Sizes with a p behind the number have Arm processors, as in D4ps_v5.
	arm := strings.Contains(strings.ToLower(parts[4]), "p") && !strings.EqualFold(parts[1], "NP")
	return SKU{Name: name, CPUs: cpus, Arm: arm, Estimated: true}, true
}

// oldGeneration tells whether a size is of the first or second generation of its family.
func oldGeneration(name string) bool {
	return !regexp.MustCompile(`(?i)_v([3-9]|\d\d)`).MatchString(name)
}

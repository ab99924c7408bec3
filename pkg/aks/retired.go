// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import "regexp"

// family is VM sizes that are not what they were in the time of Azure ML v1.
type family struct {
	names string
	// gone says that there are none any more.
	gone bool
	says string
}

// families are the sizes that are gone or going. Sources: the retirement list
// of Azure's services as of December 2025, and the FPGA pages of Azure ML v1.
func families() []family {
	const gpus = "use Standard_NC4as_T4_v3, Standard_NC24ads_A100_v4 or a size of NVadsA10_v5"
	return []family{
		{`NC\d+r?s?(_v2|_Promo)?`, true, "the first sizes of NC and NCv2 are retired: " + gpus},
		{`NC\d+r?s_v3`, true, "NCv3 was retired on 30 September 2025: " + gpus},
		{`NV\d+s_v3`, true, "NVv3 was retired on 30 September 2026: " + gpus},
		{`NV\d+as_v4`, true, "NVv4 was retired on 30 September 2026: " + gpus},
		{`PB\d+r?s`, true, "PBS ran only the FPGA images of Azure ML itself, and no list of sizes has it any more: " + gpus},
		{`NP\d+s`, false, "AKS does not document FPGA nodes: their driver and device plugin are yours to install"},
		{`DS?\d+(-\d+)?_v2(_Promo)?`, false,
			"Dv2 and DSv2 are retired on 1 May 2028, and new subscriptions cannot have them: " +
				"use " + DefaultVMSize},
		{`A\d+m?_v2`, false, "Av2 is an old family that Azure retires: use " + DefaultVMSize},
		{`F\d+s?(_v2)?`, false, "F and Fsv2 are old families that Azure retires: use a size of Fasv6, or " + DefaultVMSize},
		{`B\d+\w*`, false, "B saves up CPU time and is slow when that is used up: use " + DefaultVMSize},
	}
}

// retired is what is to be said of a size; false for nothing.
func retired(size string) (family, bool) {
	for _, f := range families() {
		if regexp.MustCompile(`(?i)^Standard_(` + f.names + `)$`).MatchString(size) {
			return f, true
		}
	}
	return family{}, false
}

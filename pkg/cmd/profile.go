// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
)

// profile is what the result of a profile run recommends.
type profile struct {
	CPU    float64 `json:"recommendedCpu"`
	Memory float64 `json:"recommendedMemoryInGB"`
}

// profiled gives the flags for CPU and memory that were not given the values of
// the file with a profile run's result.
func (o *options) profiled(f *deployFlags, file string) error {
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(o.path(file))
	if err != nil {
		return fmt.Errorf("the profile cannot be read: %w", err)
	}
	var p profile
	if err := json.Unmarshal(text, &p); err != nil {
		return fmt.Errorf("%s is not the result of a profile run: %w", file, err)
	}
	if p.CPU <= 0 || p.Memory <= 0 {
		return fmt.Errorf("%s lacks recommendedCpu or recommendedMemoryInGB, and there is no workspace to ask for them: "+
			"give --cpu-cores and --memory-gb", file)
	}
	for _, flag := range f.fields.deployment {
		value := map[string]float64{"cpu-cores": p.CPU, "memory-gb": p.Memory}[flag.field.Flag]
		if value > 0 && !flag.value.given {
			_ = flag.value.Set(strconv.FormatFloat(value, 'f', -1, 64)) // it takes any text
		}
	}
	return nil
}

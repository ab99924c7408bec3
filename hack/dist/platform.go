// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"fmt"
	"runtime"
)

// platform is one that the plugin is released for.
type platform struct{ OS, Arch string }

func platforms() []platform {
	return []platform{
		{"darwin", "amd64"},
		{"darwin", "arm64"},
		{"linux", "amd64"},
		{"linux", "arm64"},
		{"windows", "amd64"},
	}
}

func findPlatform(name string) (platform, error) {
	for _, p := range platforms() {
		if p.String() == name {
			return p, nil
		}
	}
	return platform{}, fmt.Errorf("platform %q is not among %v", name, platforms())
}

// host is the platform that this program runs on, in the list or not.
func host() platform { return platform{runtime.GOOS, runtime.GOARCH} }

func (p platform) String() string { return p.OS + "/" + p.Arch }

// Binary is the name of the program on p.
func (p platform) Binary() string {
	if p.OS == "windows" {
		return "kubectl-aml.exe"
	}
	return "kubectl-aml"
}

// Archive is the name of p's archive.
func (p platform) Archive(version string) string {
	name := fmt.Sprintf("kubectl-aml_%s_%s_%s", version, p.OS, p.Arch)
	if p.OS == "windows" {
		return name + ".zip"
	}
	return name + ".tar.gz"
}

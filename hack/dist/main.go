// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Command dist builds what a release consists of: an archive for each platform, their checksums, and the krew
// manifest that names them, checked by krew itself.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r := release{Root: ".", Package: "./cmd/kubectl-aml", Log: os.Stdout}
	names := flag.String("platforms", "all", "comma-separated `OS/ARCH` list")
	flag.StringVar(&r.Version, "version", "", "version to release, with its v")
	flag.StringVar(&r.LinkerFlags, "ldflags", "", "linker flags, which stamp the version")
	flag.StringVar(&r.Package, "package", "./cmd/kubectl-aml", "main package of the plugin")
	flag.StringVar(&r.Out, "out", "dist", "folder for the archives")
	flag.StringVar(&r.Plugins, "plugins", "plugins", "folder of the krew index; written when all platforms are built")
	flag.Parse()
	var err error
	if r.Platforms, err = parsePlatforms(*names); err == nil {
		err = r.make(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

func parsePlatforms(names string) ([]platform, error) {
	if names == "all" {
		return platforms(), nil
	}
	var chosen []platform
	for name := range strings.SplitSeq(names, ",") {
		p, err := findPlatform(name)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, p)
	}
	return chosen, nil
}

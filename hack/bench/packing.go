// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubectl-aml/kubectl-aml/hack/bench/sink"
	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
	"github.com/kubectl-aml/kubectl-aml/pkg/image"
)

// pack is "bench pack HOST FOLDER": reads a model and code as a deployment does, and makes the digest of the image.
func pack(ctx context.Context, out io.Writer, args []string) error {
	code := filepath.Join(args[1], "code")
	made, err := image.Describe(ctx, image.Source{Environment: args[0] + "/environment:1",
		Code: amlv1.Code{Directory: code, Script: code + "/score.py", EntryScript: "code/score.py",
			SourceDirectory: "code"},
		Models: []image.Model{{Name: "model", Version: 1, Path: filepath.Join(args[1], "model")}},
	}, args[0]+"/bench", image.Options{})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, made.Reference)
	return err
}

// packing compares how long it takes to read and hash the layers of a model and code, and tar with sha256sum for the
// same files.
func (b *bench) packing(ctx context.Context) error {
	rounds, size := 11, int64(512<<20)
	if b.quick {
		rounds, size = 3, 64<<20
	}
	return b.withSink(ctx, func(host, folder string) error {
		files, err := fill(folder, size)
		if err != nil {
			return err
		}
		self, err := os.Executable()
		if err != nil {
			return err
		}
		times, err := measure(ctx, b.clock, rounds, []string{self, "pack", host, folder},
			[]string{"sh", "-c", `tar -C "$0" -cf - model | sha256sum && tar -C "$0" -cf - code | sha256sum`, folder})
		if err != nil {
			return err
		}
		ratio := float64(median(times[0])) / float64(median(times[1]))
		_, err = fmt.Fprintf(b.out, "\nPacking: a model of %d MB and code, %d files\n%sratio <= 1.5: %s\n", size>>20, files,
			report(rounds, timed{"layers", times[0]}, timed{"tar | sha256sum", times[1]}), met(ratio <= 1.5))
		return err
	})
}

// memory tells how much memory it takes at most to register and to deploy a model that is a file of 5 GB. The file has
// holes, so it takes no disk; nobody who reads it can tell. What is deployed can be pulled by no node.
func (b *bench) memory(ctx context.Context) error {
	size := int64(5_000_000_000)
	if b.quick {
		size = 500_000_000
	}
	return b.onCluster(ctx, func(plugin, kubectl string) error {
		return b.withSink(ctx, func(host, folder string) error {
			file := filepath.Join(folder, "model.bin")
			script := filepath.Join(folder, "score.py")
			for _, empty := range []string{file, script} {
				if err := os.WriteFile(empty, nil, 0o600); err != nil {
					return err
				}
			}
			if err := os.Truncate(file, size); err != nil {
				return err
			}
			fmt.Fprintf(b.out, "\nMemory: a model of %.1f GB read and pushed\n", float64(size)/1e9)
			if err := b.peak(ctx, plugin, "model", "register", "-n", "bench", "-p", file, "--registry", host); err != nil {
				return err
			}
			namespace := strings.ToLower(filepath.Base(folder))
			if said, err := exec.CommandContext(ctx, kubectl, "create", "namespace", namespace).CombinedOutput(); err != nil {
				return fmt.Errorf("create namespace: %w\n%s", err, said)
			}
			defer func() {
				_ = exec.CommandContext(context.WithoutCancel(ctx), kubectl, "delete", "namespace", namespace,
					"--wait=false").Run()
			}()
			return b.peak(ctx, plugin, "deploy", "bench", "-m", file, "--entry-script", script, "--registry", host,
				"--environment-image", host+"/environment:1", "--wait=false", "--namespace", namespace)
		})
	})
}

// peak runs the plugin and prints the most memory that it had.
func (b *bench) peak(ctx context.Context, plugin string, args ...string) error {
	const most = 200 << 20
	command := exec.CommandContext(ctx, plugin, args...)
	verb := strings.Join(args[:2], " ")
	if args[0] == "deploy" {
		verb = args[0]
	}
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", verb, err, said)
	}
	used, ok := command.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return errors.New("this system does not tell the memory of processes")
	}
	peak := used.Maxrss << 10
	_, err := fmt.Fprintf(b.out, "%-14s %3d MB at most; <= %d MB: %s\n", verb, peak>>20, most>>20, met(peak <= most))
	return err
}

func met(is bool) string {
	if is {
		return "met"
	}
	return "MISSED"
}

// withSink runs what needs a registry with an environment, and a folder.
func (b *bench) withSink(ctx context.Context, run func(host, folder string) error) error {
	folder, err := os.MkdirTemp("", "kubectl-aml-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: sink.New(), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // ends when it is closed
	defer server.Close()
	host := listener.Addr().String()
	environment, err := name.ParseReference(host + "/environment:1")
	if err != nil {
		return err
	}
	if err := remote.Write(environment, empty.Image, remote.WithContext(ctx)); err != nil {
		return err
	}
	return run(host, folder)
}

// fill makes a model, nine tenths of it in one file and the rest in a thousand, and a folder of code. It returns the
// number of files.
func fill(folder string, size int64) (int, error) {
	const small, scripts = 1000, 200
	bytes := rand.NewChaCha8([32]byte{})
	put := func(file string, size int64) error {
		full := filepath.Join(folder, file)
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			return err
		}
		f, err := os.Create(full)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.CopyN(f, bytes, size)
		return err
	}
	err := put("model/weights.bin", size/10*9)
	for i := 0; i < small && err == nil; i++ {
		err = put(fmt.Sprintf("model/%d/%d.bin", i%10, i), size/10/small)
	}
	for i := 0; i < scripts && err == nil; i++ {
		err = put(fmt.Sprintf("code/package%d/module%d.py", i%10, i), 4000)
	}
	if err == nil {
		err = put("code/score.py", 4000)
	}
	return small + scripts + 2, err
}

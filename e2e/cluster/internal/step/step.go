// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package step runs slow steps once: each leaves a folder in a cache, found
// again by the hash of what went into it.
package step

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/utils/clock"
)

// tailLines is how much of a failed step's log is shown.
const tailLines = 15

// keyLength is how much of a hash names a result.
const keyLength = 16

// Store is a cache of steps in one folder, used by one process at a time.
type Store struct {
	dir      string
	progress io.Writer
	clock    clock.PassiveClock
	lock     *os.File
	said     map[string]bool // cached steps that have had their line
}

// Step is one piece of slow work.
type Step struct {
	// Name is what the progress line says; it also begins the folder's name.
	Name string
	// Inputs is all that the result depends on: another input, another folder.
	Inputs []string
	// Cheap results go as soon as there is a newer one of the same name.
	Cheap bool
	// Build leaves its result in dir, which is empty and goes away if Build fails.
	Build func(ctx context.Context, dir string, log io.Writer) error
}

// Open takes the cache in dir for this process, and waits while another one
// holds it. Close gives it back.
func Open(ctx context.Context, dir string, progress io.Writer, c clock.PassiveClock) (*Store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("cache folder: %w", err)
	}
	s := &Store{dir: dir, progress: progress, clock: c, said: map[string]bool{}}
	lock, err := takeLock(ctx, filepath.Join(dir, "lock"), func() {
		s.Say("waiting for another run that holds %s", dir)
	})
	if err != nil {
		return nil, err
	}
	s.lock = lock
	return s, nil
}

// Close lets other processes use the cache.
func (s *Store) Close() error {
	return s.lock.Close()
}

// Dir is the folder of the cache.
func (s *Store) Dir() string {
	return s.dir
}

// Say writes one progress line.
func (s *Store) Say(format string, args ...any) {
	fmt.Fprintf(s.progress, format+"\n", args...)
}

// Key is the short name of a list of inputs: equal lists, equal keys.
func Key(inputs ...string) string {
	sum := sha256.New()
	for _, in := range inputs {
		// The length keeps {"ab","c"} and {"a","bc"} apart.
		fmt.Fprintf(sum, "%d:%s", len(in), in)
	}
	return hex.EncodeToString(sum.Sum(nil))[:keyLength]
}

// Files is one input for Key that stands for every regular file below the
// folders or files named, by path and content.
func Files(paths ...string) (string, error) {
	sum := sha256.New()
	for _, root := range paths {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			fmt.Fprintf(sum, "%d:%s%d:", len(rel), rel, len(content))
			sum.Write(content)
			return nil
		})
		if err != nil {
			return "", fmt.Errorf("read inputs: %w", err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Run returns the folder that the step left, and builds it first where it is
// not in the cache. A build that fails or is cut off leaves nothing that a
// later Run could take for a result.
func (s *Store) Run(ctx context.Context, st Step) (string, error) {
	id := slug(st.Name) + "-" + Key(st.Inputs...)
	done := filepath.Join(s.dir, "steps", id)
	if _, err := os.Stat(done); err == nil {
		if !s.said[id] {
			s.Say("%s … cached", st.Name)
		}
		s.said[id] = true
		return done, nil
	}
	try, err := newTry(done)
	if err != nil {
		return "", fmt.Errorf("%s: %w", st.Name, err)
	}
	err = s.Watch(ctx, st.Name, "built", func(ctx context.Context, log io.Writer) error {
		return st.Build(ctx, try, log)
	})
	if err != nil {
		return "", errors.Join(err, remove(try))
	}
	s.said[id] = true
	if st.Cheap {
		if err := removeOlder(filepath.Join(s.dir, "steps", slug(st.Name))); err != nil {
			return "", fmt.Errorf("%s: %w", st.Name, err)
		}
	}
	return done, os.Rename(try, done)
}

// Watch does something that leaves nothing in the cache, as one progress line
// that ends with what was done and how long it took. The log is kept.
func (s *Store) Watch(ctx context.Context, name, done string, do func(context.Context, io.Writer) error) error {
	path := filepath.Join(s.dir, "logs", slug(name)+".log")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	log, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer func() { _ = log.Close() }()
	start := s.clock.Now()
	fmt.Fprintf(s.progress, "%s … ", name)
	err = do(ctx, log)
	took := s.clock.Since(start).Round(100 * time.Millisecond)
	if took >= time.Minute {
		took = took.Round(time.Second)
	}
	if err == nil {
		s.Say("%s in %s", done, took)
		return nil
	}
	if ctx.Err() != nil {
		s.Say("stopped after %s", took)
		return fmt.Errorf("%s: %w", name, context.Cause(ctx))
	}
	s.Say("failed after %s\n%s", took, tail(path))
	return fmt.Errorf("%s: %w (log: %s)", name, err, path)
}

func tail(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	return "    " + string(bytes.Join(lines, []byte("\n    ")))
}

// slug is a name as a file name.
func slug(name string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, strings.ReplaceAll(name, ": ", "-")), "-")
}

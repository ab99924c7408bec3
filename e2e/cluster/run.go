// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gofrs/flock"
)

// RunLabel marks what belongs to a run of tests, in the cluster and in the engine,
// with the name of the run.
const RunLabel = "kubectl-aml/run"

// runPrefix begins the name of each run.
const runPrefix = "aml-run-"

// runsPath is where in the registry the runs put images, each below its name.
const runsPath = "e2e"

// Run is a run of tests. What bears its name goes when it is over, however it
// ended: the next run takes it away.
type Run struct {
	// Name is what RunLabel says of this run's things. A cluster of kind may have it
	// as its name, and is then one of these things.
	Name string
	// Registry is HOST:PORT/PATH of the place that this run alone puts images.
	Registry string
	// Folder is for the run's files.
	Folder string

	lock *flock.Flock
}

// Begin makes sure that the cluster runs, takes away what is left of runs that are
// over, and begins another one. It is under way until End, or until the process ends.
// While another run is, the registry keeps the cluster's images that were replaced, and
// then, or while somebody pushes, the layers that nothing refers to any more: a later
// run deletes them.
func Begin(ctx context.Context, opts Options) (*Run, error) {
	s, err := open(ctx, opts)
	if err != nil {
		return nil, err
	}
	defer s.close()
	c, err := s.up(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.sweep(ctx, c); err != nil {
		return nil, err
	}
	name := runPrefix + strings.ToLower(rand.Text()[:8])
	r := &Run{Name: name, Registry: s.registryHost() + "/" + runsPath + "/" + name,
		Folder: filepath.Join(s.runsFolder(), name)}
	if err := os.MkdirAll(r.Folder, 0o755); err != nil {
		return nil, err
	}
	r.lock = flock.New(lockOf(r.Folder))
	if _, err := r.lock.TryLock(); err != nil {
		return nil, fmt.Errorf("begin a run: %w", err)
	}
	return r, nil
}

// End ends the run, and removes its folder.
func (r *Run) End() error {
	return errors.Join(os.RemoveAll(r.Folder), r.lock.Close())
}

// runsFolder has a folder for each run, in which the run's process has locked a file.
// It is that of all clusters: they share the engine.
func (s *session) runsFolder() string {
	return filepath.Join(s.opts.CacheDir, "runs")
}

func lockOf(run string) string {
	return filepath.Join(run, "lock")
}

// runs are the names of those that are under way.
type runs []string

// underWay are the runs that have a folder there and the lock of it. The folders of
// others are removed.
func underWay(folder string) (runs, error) {
	folders, err := filepath.Glob(filepath.Join(folder, runPrefix+"*"))
	if err != nil {
		return nil, err
	}
	var names runs
	for _, run := range folders {
		lock := flock.New(lockOf(run))
		free, err := lock.TryLock()
		if errors.Is(err, fs.ErrNotExist) { // it ends just now
			continue
		}
		if err == nil && free {
			err = os.RemoveAll(run)
		}
		if err := errors.Join(err, lock.Close()); err != nil {
			return nil, fmt.Errorf("look for other runs: %w", err)
		}
		if !free {
			names = append(names, filepath.Base(run))
		}
	}
	return names, nil
}

// over tells whether a name is that of a run that is not under way.
func (r runs) over(name string) bool {
	return !slices.Contains(r, name) && regexp.MustCompile("^"+runPrefix+"[a-z2-7]{8}$").MatchString(name)
}

// selector is what Kubernetes selects the objects of other runs by.
func (r runs) selector() string {
	if len(r) == 0 {
		return RunLabel
	}
	return RunLabel + "," + RunLabel + " notin (" + strings.Join(r, ",") + ")"
}

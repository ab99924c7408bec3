// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/clock"
)

// How long to wait for somebody else who writes the kubeconfig, and how long
// between two looks. kubectl takes milliseconds for it.
const (
	lockPatience = 10 * time.Second
	lockPause    = 20 * time.Millisecond
)

// files are the files of a kubeconfig. Of entries with the same name, the first
// file's is in force. client-go's ModifyConfig does not do here: it reads what is
// to be changed before it takes its lock, so that of two writers at once one
// deletes what the other has written, and it writes a file in place, so that
// who is killed leaves half a file. The locks are those of kubectl.
type files struct {
	list []*file
	// fallback is where new entries go.
	fallback *file
}

type file struct {
	path   string
	config *clientcmdapi.Config
	// was is the text that config was when it was read.
	was []byte
}

// load reads the files. Those that are missing are empty.
func (k Kubeconfig) load() (*files, error) {
	f := &files{}
	paths := k.Access.GetLoadingPrecedence()
	if target := k.Access.GetDefaultFilename(); !slices.Contains(paths, target) {
		paths = append(slices.Clone(paths), target)
	}
	for _, path := range paths {
		config, err := clientcmd.LoadFromFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			config = clientcmdapi.NewConfig()
		case err != nil:
			return nil, fmt.Errorf("the kubeconfig %s cannot be read: %w", path, err)
		}
		text, err := clientcmd.Write(*config)
		if err != nil {
			return nil, err
		}
		f.list = append(f.list, &file{path: path, config: config, was: text})
		if path == k.Access.GetDefaultFilename() {
			f.fallback = f.list[len(f.list)-1]
		}
	}
	return f, nil
}

// edit changes the kubeconfig under the locks of all its files. Each file that
// change changes is written whole or not at all.
func (k Kubeconfig) edit(ctx context.Context, change func(*files) error) error {
	paths := slices.Clone(k.Access.GetLoadingPrecedence())
	slices.Sort(paths) // as kubectl does, so that nobody waits for each other
	for _, path := range slices.Compact(paths) {
		unlock, err := k.lock(ctx, path)
		if err != nil {
			return err
		}
		defer unlock()
	}
	f, err := k.load()
	if err != nil {
		return err
	}
	if err := change(f); err != nil {
		return err
	}
	if err := f.writable(); err != nil {
		return err
	}
	for _, one := range f.list {
		if err := one.write(); err != nil {
			return fmt.Errorf("the kubeconfig %s is not written and stays as it was: %w", one.path, err)
		}
	}
	return nil
}

// lock takes the lock file that kubectl takes, and waits while somebody has it.
func (k Kubeconfig) lock(ctx context.Context, path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	var wait clock.Clock = clock.RealClock{}
	if k.Clock != nil {
		wait = k.Clock
	}
	name, since := path+".lock", wait.Now()
	for {
		lock, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL, 0)
		if err == nil {
			lock.Close()
			return func() { _ = os.Remove(name) }, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("the kubeconfig %s cannot be changed: %w; name another one with --kubeconfig", path, err)
		}
		if wait.Since(since) >= lockPatience {
			return nil, fmt.Errorf("the kubeconfig %s is locked by %s: if no kubectl is writing it, "+
				"one was killed; delete that file and try again", path, name)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the lock %s of the kubeconfig: %w", name, ctx.Err())
		case <-wait.After(lockPause):
		}
	}
}

// writable refuses to change a file that is marked read-only, before any other
// is changed.
func (f *files) writable() error {
	for _, one := range f.list {
		info, err := os.Stat(one.path)
		if err != nil || info.Mode().Perm()&0o222 != 0 {
			continue
		}
		if text, err := clientcmd.Write(*one.config); err != nil || !bytes.Equal(text, one.was) {
			return fmt.Errorf("the kubeconfig %s is read-only, and stays as it is: "+
				"make it writable with chmod u+w, or name another one with --kubeconfig", one.path)
		}
	}
	return nil
}

// write replaces the file, if there is a change, in one step.
func (f *file) write() error {
	text, err := clientcmd.Write(*f.config)
	if err != nil || bytes.Equal(text, f.was) {
		return err
	}
	path, mode := f.path, fs.FileMode(0o600)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // the link stays
	}
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	next, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = next.Write(text)
	err = errors.Join(err, next.Sync(), next.Chmod(mode), next.Close())
	if err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		_ = os.Remove(next.Name())
	}
	return err
}

// main is the file that current-context is written to: kubectl's choice.
func (f *files) main() *clientcmdapi.Config { return f.fallback.config }

// context is the context in force of the name, nil for none, and the file it is in
// or would go to. So are cluster and user.
func (f *files) context(name string) (*clientcmdapi.Context, *clientcmdapi.Config) {
	for _, one := range f.list {
		if c := one.config.Contexts[name]; c != nil {
			return c, one.config
		}
	}
	return nil, f.fallback.config
}

func (f *files) cluster(name string) (*clientcmdapi.Cluster, *clientcmdapi.Config) {
	for _, one := range f.list {
		if c := one.config.Clusters[name]; c != nil {
			return c, one.config
		}
	}
	return nil, f.fallback.config
}

func (f *files) user(name string) (*clientcmdapi.AuthInfo, *clientcmdapi.Config) {
	for _, one := range f.list {
		if u := one.config.AuthInfos[name]; u != nil {
			return u, one.config
		}
	}
	return nil, f.fallback.config
}

// used tells whether a context other than name uses the cluster or the user.
func (f *files) used(name, cluster, user string) bool {
	for _, one := range f.list {
		for other, c := range one.config.Contexts {
			if other != name && ((cluster != "" && c.Cluster == cluster) || (user != "" && c.AuthInfo == user)) {
				return true
			}
		}
	}
	return false
}

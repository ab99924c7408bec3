// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
)

// Operation is what is kept on this machine of work that Azure has begun, so
// that another run goes on with it.
type Operation struct {
	Version int `json:"version"`
	// Kind is OperationCreate or OperationDelete.
	Kind string `json:"kind"`
	// Compute is the name that people know the cluster by.
	Compute     string `json:"compute"`
	ResourceID  string `json:"resourceID"`
	ARMEndpoint string `json:"armEndpoint"`
	// Tag is in the tags of the cluster that the operation makes.
	Tag           string    `json:"operationTag,omitempty"`
	RequestSHA256 string    `json:"requestSHA256,omitempty"`
	StartedAt     time.Time `json:"startedAt"`
	// After is what is done when the cluster is there.
	After *After `json:"after,omitempty"`
	// resumeToken holds addresses that may be signed: it is not for anybody's eyes.
	resumeToken string
}

// After is what becomes of a cluster when it is there.
type After struct {
	// Attachment is how it is attached.
	Attachment compute.Attachment `json:"attachment"`
	// Registry is the name or id of the registry that its nodes may pull from,
	// Subnet the id of the subnet that the cluster may change; empty for none.
	Registry string `json:"registry,omitempty"`
	Subnet   string `json:"subnet,omitempty"`
	// Measure says that AKS chose the size, which is looked at before attaching.
	Measure bool `json:"measure,omitempty"`
	// Use makes the compute's context the current one.
	Use bool `json:"use,omitempty"`
}

// The kinds of operations.
const (
	OperationCreate = "create"
	OperationDelete = "delete"
)

const (
	operationVersion = 1
	operationSize    = 64 << 10
)

// file is the operation as it is written.
type file struct {
	Operation
	ResumeToken string `json:"resumeToken,omitempty"`
}

// operationPath is where the operation on t is kept, wherever it is known from.
func (c *Client) operationPath(t Target) string {
	sum := sha256.Sum256([]byte(strings.ToLower(c.endpoint() + "\n" + t.ID())))
	return filepath.Join(c.options.StateDir, "operations", hex.EncodeToString(sum[:])+".json")
}

// lock keeps others on this machine from beginning an operation on t, and waits
// for those who do.
func (c *Client) lock(ctx context.Context, t Target) (unlock func(), err error) {
	path := strings.TrimSuffix(c.operationPath(t), ".json") + ".lock"
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("the folder for operations under way cannot be made: %w", err)
	}
	type locked struct {
		unlock func()
		err    error
	}
	got := make(chan locked)
	go func() {
		unlock, err := lockedfile.MutexAt(path).Lock()
		select {
		case got <- locked{unlock, err}:
		case <-ctx.Done():
			if err == nil {
				unlock()
			}
		}
	}()
	select {
	case l := <-got:
		return l.unlock, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Operation is the one on t that this machine knows of. It is still known after
// a create has succeeded, until Forget. A file that is not as this program wrote
// it is refused.
func (c *Client) Operation(t Target) (o Operation, found bool, err error) {
	path := c.operationPath(t)
	text, err := readOperation(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Operation{}, false, nil
	}
	if err == nil {
		o, err = parseOperation(text)
	}
	if err == nil {
		err = o.check(t, c.endpoint())
	}
	if err != nil {
		return Operation{}, false, fail(Failed, err,
			"the file of the operation on %s is not to be trusted: %s: delete %s and run the command again",
			t.label(), err, path)
	}
	return o, true, nil
}

// Operations are all of those at the endpoint that this machine knows of.
// Files that are not as this program wrote them are left out.
func (c *Client) Operations() ([]Operation, error) {
	paths, err := filepath.Glob(filepath.Join(c.options.StateDir, "operations", "*.json"))
	if err != nil {
		return nil, err
	}
	var all []Operation
	for _, path := range paths {
		text, err := readOperation(path)
		if err != nil {
			continue
		}
		o, err := parseOperation(text)
		if err != nil {
			continue
		}
		t, err := ParseTarget(o.ResourceID)
		if err == nil && path == c.operationPath(t) && o.check(t, c.endpoint()) == nil {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b Operation) int { return a.StartedAt.Compare(b.StartedAt) })
	return all, nil
}

// Forget ends the operation on t: whoever made a cluster has attached it.
func (c *Client) Forget(t Target) error {
	if err := os.Remove(c.operationPath(t)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the file of the operation on %s cannot be removed: %w", t.label(), err)
	}
	return nil
}

func readOperation(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := private(f); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, operationSize+1))
	if err == nil && len(text) > operationSize {
		err = errors.New("it is too large")
	}
	return text, err
}

// private refuses a file that others may read or write. On Windows modes say
// nothing of others.
func private(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if mode := info.Mode(); runtime.GOOS != "windows" && (!mode.IsRegular() || mode.Perm()&0o077 != 0) {
		return fmt.Errorf("others than you may read or write it (mode %#o)", mode.Perm())
	}
	return nil
}

// parseOperation reads what save wrote, and nothing else.
func parseOperation(text []byte) (Operation, error) {
	var o file
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&o); err != nil {
		return Operation{}, errors.New("it is no operation: its JSON is cut off or was changed")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Operation{}, errors.New("there is more in it than an operation")
	}
	o.resumeToken = o.ResumeToken
	return o.Operation, nil
}

// save writes o as a whole or not at all.
func (c *Client) save(t Target, o Operation) (err error) {
	text, err := json.MarshalIndent(file{o, o.resumeToken}, "", "  ")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("the file of the operation on %s cannot be written: %w", t.label(), err)
		}
	}()
	path := c.operationPath(t)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "new-*") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

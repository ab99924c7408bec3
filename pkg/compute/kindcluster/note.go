// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package kindcluster

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// note is a file that is locked while somebody makes or deletes a cluster. What
// is in it was written before the first node, and is erased when all is done:
// whoever finds it has the leftover of a process that died.
type note struct {
	file *lockedfile.File
	// cutOff says that there is such a leftover.
	cutOff bool
}

// begin waits until nobody else is at the cluster of the name.
func (c *Clusters) begin(ctx context.Context, name string) (*note, error) {
	if err := os.MkdirAll(c.state, 0o700); err != nil {
		return nil, err
	}
	type opened struct {
		file *lockedfile.File
		err  error
	}
	result := make(chan opened, 1)
	go func() {
		f, err := lockedfile.OpenFile(filepath.Join(c.state, name), os.O_RDWR|os.O_CREATE, 0o600)
		result <- opened{f, err}
	}()
	select {
	case <-ctx.Done(): // whoever holds the lock has it until then
		return nil, fmt.Errorf("kind cluster %s is in somebody else's work: %w", name, context.Cause(ctx))
	case o := <-result:
		if o.err != nil {
			return nil, o.err
		}
		content, err := io.ReadAll(o.file)
		return &note{file: o.file, cutOff: len(content) > 0}, err
	}
}

func (n *note) write() error {
	if err := n.erase(); err != nil {
		return err
	}
	_, err := n.file.WriteAt([]byte("in the making\n"), 0)
	return err
}

func (n *note) erase() error { return n.file.Truncate(0) }

// close gives the lock back.
func (n *note) close() { _ = n.file.Close() }

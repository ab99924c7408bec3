// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package printer

import (
	"fmt"
	"io"
	"strings"

	"github.com/kubectl-aml/kubectl-aml/pkg/drift"
)

// Diff is what a proposed revision changes of an endpoint, and what somebody
// changed before.
type Diff struct {
	Namespace string `json:"namespace"`
	Endpoint  string `json:"endpoint"`
	// Revision is the one in force; 0 for an endpoint that is new.
	Revision int `json:"revision"`
	// Differs says that the cluster is not as the revision in force or the
	// proposed one says.
	Differs bool `json:"differs"`
	// Summary are sentences on traffic, versions and restarts.
	Summary []string           `json:"summary,omitempty"`
	ByHand  []drift.Change     `json:"byHand,omitempty"`
	Objects []drift.Difference `json:"objects,omitempty"`
}

// The colours that kubectl's users know from git.
const (
	addedColour   = "\x1b[32m"
	removedColour = "\x1b[31m"
	placeColour   = "\x1b[36m"
	headColour    = "\x1b[1m"
	plainText     = "\x1b[0m"
)

// Write writes d for people: the sentences, and then the objects, each as a
// unified diff from what is live to what is proposed. It writes nothing if there
// is no difference.
func (d Diff) Write(out io.Writer, colour bool) error {
	if !d.Differs {
		return nil
	}
	var text strings.Builder
	for _, sentence := range d.Summary {
		fmt.Fprintln(&text, sentence)
	}
	if n := changedObjects(d.ByHand); n == 1 {
		fmt.Fprintln(&text, "1 object was changed by hand:")
	} else if n > 1 {
		fmt.Fprintf(&text, "%d objects were changed by hand:\n", n)
	}
	for _, change := range d.ByHand {
		fmt.Fprintf(&text, "  %s\n", change)
	}
	for _, o := range d.Objects {
		fmt.Fprintf(&text, "\n%s\n", painted(headline(o), headColour, colour))
		for line := range strings.Lines(o.Diff) {
			text.WriteString(painted(strings.TrimSuffix(line, "\n"), colourOf(line), colour) + "\n")
		}
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func changedObjects(changes []drift.Change) int {
	objects := map[string]bool{}
	for _, c := range changes {
		objects[c.Object] = true
	}
	return len(objects)
}

// headline names the object and says what is with it.
func headline(o drift.Difference) string {
	switch {
	case o.ByHand && o.Action == drift.Left:
		return o.Object + " (changed by hand, stays so)"
	case o.ByHand && o.Action == drift.Created:
		return o.Object + " (deleted by hand)"
	case o.ByHand:
		return o.Object + " (changed by hand)"
	}
	return fmt.Sprintf("%s (%s)", o.Object, o.Action)
}

func colourOf(line string) string {
	switch line[0] {
	case '+':
		return addedColour
	case '-':
		return removedColour
	case '@':
		return placeColour
	}
	return ""
}

func painted(text, with string, colour bool) string {
	if !colour || with == "" {
		return text
	}
	return with + text + plainText
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package printer

import (
	"fmt"
	"io"
	"strings"
)

// The control sequences of ECMA-48 and xterm that a Screen needs.
const (
	openScreen  = "\x1b[?1049h\x1b[?25l" // the alternate screen, no cursor
	closeScreen = "\x1b[?25h\x1b[?1049l"
	topLeft     = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// Screen shows one text at a time on a terminal, each in the place of the one
// before, and leaves what was on the terminal as it was.
type Screen struct {
	Out io.Writer
}

// Open begins to show. Whoever opens must close.
func (s Screen) Open() error { return s.write(openScreen) }

// Close gives the terminal back as it was.
func (s Screen) Close() error { return s.write(closeScreen) }

// Show shows a text in all rows but the last, where the cursor stays. Of a text
// with more lines, the last one shown says how many are not. It is one write, so
// that nothing flickers.
func (s Screen) Show(text string, height int) error {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if room := max(height-1, 1); len(lines) > room {
		lines = append(lines[:room-1:room-1], fmt.Sprintf("… %d more lines", len(lines)-room+1))
	}
	// A line is cleared before it is written: behind a full one the cursor still
	// stands on its last character.
	return s.write(topLeft + clearLine + strings.Join(lines, "\n"+clearLine) + "\n" + clearBelow)
}

func (s Screen) write(text string) error {
	_, err := io.WriteString(s.Out, text)
	return err
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package environment

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// encoding is the version of what is summed. A new one makes every image anew.
const encoding = "environment 1"

// Digest is the SHA-256, in 64 hexadecimal digits, of all that the image is made
// of: the digests of the images, the text of the Dockerfile but for its line
// ends, the packages but for their order and spelling, and the platform. It is
// the same on every machine and in every release. Names of images, of the
// environment and of its version are not in it.
func (p Pinned) Digest() string {
	sum := sha256.New()
	field := func(name string, values ...string) {
		_, _ = fmt.Fprintf(sum, "%s %d\n", name, len(values))
		for _, v := range values {
			_, _ = fmt.Fprintf(sum, "%d ", len(v))
			_, _ = io.WriteString(sum, v+"\n")
		}
	}
	field(encoding)
	field("platform", p.environment.Target())
	field("images", p.digests...)
	field("dockerfile", p.written)
	field("interpreter", p.environment.Interpreter)
	field("python", fmt.Sprint(p.packages.own))
	field("channels", p.packages.channels...)
	field("conda", p.packages.conda...)
	field("options", p.packages.options...)
	field("requirements", p.packages.requirements...)
	return hex.EncodeToString(sum.Sum(nil))
}

// canonicalText has line feeds for line ends, nothing before them and none at
// the end.
func canonicalText(s string) string {
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

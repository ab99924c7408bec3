// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package environment

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// dockerfile is what an image begins with: the FROM of its base, or a Dockerfile
// of its own.
type dockerfile struct {
	lines  []string
	escape rune
	uses   []use
}

// use is a place where a Dockerfile names an image.
type use struct {
	// image is the reference, with the values of its ARGs.
	image string
	// first and last are the lines of the instruction, from 0.
	first, last int
	// from makes the whole instruction of a pinned reference; nil for an image that
	// is named in one, as in COPY --from.
	from func(reference string) string
	// written is the image as it stands in the instruction.
	written string
}

var reference = regexp.MustCompile(`^[A-Za-z0-9][^\s"'$\\]*$`)

// dockerfile reads Dockerfile, or makes one of Base.
func (e Environment) dockerfile() (dockerfile, error) {
	if e.Dockerfile == "" {
		if !reference.MatchString(e.Base) {
			return dockerfile{}, fmt.Errorf("base image %q is no name of an image: write one such as "+
				"docker.io/library/python:3.11-slim", e.Base)
		}
		from := func(pinned string) string { return "FROM " + pinned }
		return dockerfile{lines: []string{""}, escape: '\\', uses: []use{{image: e.Base, from: from}}}, nil
	}
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.TrimPrefix(e.Dockerfile, "\ufeff"))
	parsed, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return dockerfile{}, fmt.Errorf("the Dockerfile cannot be read: %w", err)
	}
	stages, global, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return dockerfile{}, fmt.Errorf("the Dockerfile cannot be read: %w", err)
	}
	r := stageReader{escape: parsed.EscapeToken, values: e.platformArguments(), stages: stages}
	r.arguments(global)
	for i := range stages {
		r.stage(i)
	}
	return dockerfile{lines: strings.Split(strings.TrimRight(text, "\n"), "\n"), escape: parsed.EscapeToken, uses: r.uses},
		errors.Join(r.errs...)
}

// platformArguments are the ARGs that every Dockerfile has before its first FROM.
func (e Environment) platformArguments() []string {
	system, processor, _ := strings.Cut(e.Target(), "/")
	var out []string
	for _, side := range []string{"TARGET", "BUILD"} {
		out = append(out, side+"PLATFORM="+e.Target(), side+"OS="+system, side+"ARCH="+processor, side+"VARIANT=")
	}
	return out
}

// stageReader finds the images in the stages of a Dockerfile.
type stageReader struct {
	escape rune
	// values are those of the ARGs before the first FROM, as NAME=VALUE.
	values []string
	stages []instructions.Stage
	uses   []use
	errs   []error
}

func (r *stageReader) refuse(line int, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("line %d of the Dockerfile "+format, append([]any{line + 1}, args...)...))
}

func (r *stageReader) expand(word string) (string, error) {
	out, _, err := shell.NewLex(r.escape).ProcessWord(word, shell.EnvsFromSlice(r.values))
	return out, err
}

func (r *stageReader) arguments(global []instructions.ArgCommand) {
	for _, command := range global {
		for _, arg := range command.Args {
			if arg.Value == nil {
				continue
			}
			value, err := r.expand(*arg.Value)
			if err != nil {
				first, _ := span(command.Location())
				r.refuse(first, "has an ARG that cannot be read: %w", err)
				continue
			}
			r.values = append(r.values, arg.Key+"="+value)
		}
	}
}

// span are the first and the last line of an instruction, from 0.
func span(ranges []parser.Range) (first, last int) {
	if len(ranges) == 0 {
		return 0, 0
	}
	return ranges[0].Start.Line - 1, ranges[len(ranges)-1].End.Line - 1
}

func (r *stageReader) stage(i int) {
	stage := r.stages[i]
	first, last := span(stage.Location)
	image, err := r.expand(stage.BaseName)
	switch {
	case err != nil:
		r.refuse(first, "has a FROM that cannot be read: %w", err)
	case !reference.MatchString(image):
		r.refuse(first, "has a FROM with no image, but %q: give its ARG a value before the first FROM", image)
	case image != "scratch" && !r.isStage(image, i):
		r.uses = append(r.uses, use{image: image, first: first, last: last, from: fromLine(stage)})
	}
	for _, command := range stage.Commands {
		r.command(i, command)
	}
}

func fromLine(stage instructions.Stage) func(string) string {
	return func(pinned string) string {
		line := "FROM "
		if stage.Platform != "" {
			line += "--platform=" + stage.Platform + " "
		}
		line += pinned
		if stage.Name != "" {
			line += " AS " + stage.Name
		}
		return line
	}
}

// isStage tells whether a name is that of one of the stages before number i.
func (r *stageReader) isStage(name string, i int) bool {
	return slices.ContainsFunc(r.stages[:i], func(s instructions.Stage) bool { return strings.EqualFold(s.Name, name) })
}

func (r *stageReader) command(i int, command instructions.Command) {
	first, last := span(command.Location())
	switch c := command.(type) {
	case *instructions.CopyCommand:
		if c.From == "" && len(c.SourcePaths) > 0 {
			r.refuse(first, "copies %s, and there is no folder to build from: write COPY <<EOF, ADD with a URL, or RUN",
				c.SourcePaths[0])
		}
		r.from(i, c.From, first, last)
	case *instructions.AddCommand:
		for _, path := range c.SourcePaths {
			if !isURL.MatchString(path) && !strings.HasPrefix(path, "git@") {
				r.refuse(first, "adds %s, and there is no folder to build from: write COPY <<EOF, ADD with a URL, or RUN", path)
			}
		}
	case *instructions.RunCommand:
		for _, mount := range instructions.GetMounts(c) {
			r.from(i, mount.From, first, last)
		}
	}
}

// from is an image that is named in an instruction of stage number i.
func (r *stageReader) from(i int, name string, first, last int) {
	_, err := strconv.Atoi(name)
	switch {
	case name == "" || err == nil || name == "scratch" || r.isStage(name, i):
	case !reference.MatchString(name):
		r.refuse(first, "takes files from %q, which is no image: write its name without ARGs", name)
	default:
		r.uses = append(r.uses, use{image: name, first: first, last: last, written: name})
	}
}

// bases are the images, each once.
func (d dockerfile) bases() []string {
	var out []string
	for _, u := range d.uses {
		if !slices.Contains(out, u.image) {
			out = append(out, u.image)
		}
	}
	return out
}

// pin is the text with pinned references for images.
func (d dockerfile) pin(pinned map[string]string) string {
	lines := slices.Clone(d.lines)
	gone := map[int]bool{}
	for _, u := range d.uses {
		if u.from != nil {
			lines[u.first] = u.from(pinned[u.image])
			for i := u.first + 1; i <= u.last; i++ {
				gone[i] = true
			}
			continue
		}
		named := regexp.MustCompile(`(from=)` + regexp.QuoteMeta(u.written) + `([\s,"]|$)`)
		for i := u.first; i <= u.last; i++ {
			lines[i] = named.ReplaceAllString(lines[i], "${1}"+strings.ReplaceAll(pinned[u.image], "$", "$$")+"${2}")
		}
	}
	var kept []string
	for i, line := range lines {
		if !gone[i] {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n") + "\n"
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

//go:embed probe.py
var probeScript string

// question is what the probe is asked about: a file, or the lines of an ignore file and paths.
type question struct {
	Kind string `json:"kind"`
	// Dir is the working directory, File is in it.
	Dir  string `json:"dir,omitempty"`
	File string `json:"file,omitempty"`

	Lines []string `json:"lines"`
	Paths []string `json:"paths"`
}

// answer is what one of the two sides makes of a file.
type answer struct {
	// Refused are the reasons of a refusal, the outermost first.
	Refused []string `json:"refused"`
	// Config is what would be deployed.
	Config map[string]any `json:"config"`
	// Document is what the file holds; only of Azure ML, when Readable.
	Document any  `json:"document"`
	Readable bool `json:"readable"`
}

// probe is the process that runs Azure ML's code.
type probe struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	stderr  bytes.Buffer
}

// startProbe starts the probe with the Python of a virtual environment.
func startProbe(ctx context.Context, e environment) (*probe, error) {
	p := &probe{command: exec.CommandContext(ctx, e.python(), "-I", "-X", "utf8", "-c", probeScript)}
	p.command.Stderr = &p.stderr
	// What azureml-core keeps in a home folder is not the user's business.
	p.command.Env = append(os.Environ(), "HOME="+e.dir)
	var err error
	if p.in, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	return p, p.command.Start()
}

// ask returns the answer to a question, or an error that says what the probe
// wrote before it ended.
func (p *probe) ask(q question) (answer, error) {
	line, err := json.Marshal(q)
	if err != nil {
		return answer{}, err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return answer{}, p.failed(err)
	}
	reply, err := p.out.ReadBytes('\n')
	if err != nil {
		return answer{}, p.failed(err)
	}
	var a answer
	dec := json.NewDecoder(bytes.NewReader(reply))
	dec.UseNumber()
	if err := dec.Decode(&a); err != nil {
		return answer{}, fmt.Errorf("answer of the probe: %w", err)
	}
	return a, nil
}

func (p *probe) failed(err error) error {
	return fmt.Errorf("the probe has ended: %w\n%s", errors.Join(err, p.command.Wait()),
		strings.TrimSpace(p.stderr.String()))
}

// stop ends the process.
func (p *probe) stop() error {
	return errors.Join(p.in.Close(), p.command.Wait())
}

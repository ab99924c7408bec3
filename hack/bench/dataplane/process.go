// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kubectl-aml/kubectl-aml/internal/engines"
)

// The processors: what is measured has one of its own.
const (
	enginesCore = "0"
	loadCore    = "1"
)

// process is a program that runs until the lab is closed.
type process struct {
	name string
	pid  int
	log  string
}

// start runs a program on one processor until the lab is closed. What it says goes into a file of the lab.
func (l *lab) start(name, core string, program engines.Program, env []string, args ...string) (*process, error) {
	log, err := os.Create(filepath.Join(l.folder, name+".log"))
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(l.running, "taskset", append([]string{"--cpu-list", core, program.Path}, args...)...)
	command.Env = append(append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + l.folder}, program.Env...), env...)
	command.Dir = l.folder
	command.Stdout, command.Stderr = log, log
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 5 * time.Second
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	l.ends.Go(func() {
		defer log.Close()
		_ = command.Wait()
	})
	return &process{name: name, pid: command.Process.Pid, log: log.Name()}, nil
}

// output runs a program of the lab to its end and returns what it printed.
func (l *lab) output(ctx context.Context, core string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, "taskset", append([]string{"--cpu-list", core, l.self}, args...)...)
	out, err := command.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil, fmt.Errorf("%s %v: %w: %s", l.self, args, err, exit.Stderr)
	}
	return out, err
}

// said is the end of what a process wrote.
func (p *process) said() string {
	text, _ := os.ReadFile(p.log)
	return p.name + " said:\n" + string(text[max(0, len(text)-2000):])
}

// tick is the unit of the times in /proc: Linux reports them in hundredths of a second everywhere.
const tick = 10 * time.Millisecond

// cpu is the processor time that processes and their children have used.
func cpu(pids ...int) (time.Duration, error) {
	var sum time.Duration
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		ticks, err := ticksOf(string(stat))
		if err != nil {
			return 0, err
		}
		sum += time.Duration(ticks) * tick
		list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		if err != nil {
			return 0, err
		}
		var children []int
		for _, text := range strings.Fields(string(list)) {
			child, err := strconv.Atoi(text)
			if err != nil {
				return 0, err
			}
			children = append(children, child)
		}
		more, err := cpu(children...)
		if err != nil {
			return 0, err
		}
		sum += more
	}
	return sum, nil
}

// ticksOf are user and system time together, in a line of /proc/PID/stat. The program's name, in parentheses, may
// hold anything.
func ticksOf(stat string) (int, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("%q is no line of /proc/PID/stat", stat)
	}
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(fields[12])
	return user + system, err
}

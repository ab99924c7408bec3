// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"context"
	"regexp"
	"strings"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
)

// LogLines is how many lines of a failed container's log are kept.
const LogLines = 20

const (
	// searchLines is how many lines are read to find the cause in.
	searchLines = 200
	// maxLogBytes bounds them together.
	maxLogBytes = 1 << 20
)

// lastLines returns the last lines of the container the verdict is about, those
// of its previous instance if that is the one that failed, at most searchLines.
// A log that cannot be read is none: it must not hide the failure.
func lastLines(ctx context.Context, client kubernetes.Interface, namespace string, v Verdict) []string {
	if v.Pod == "" || v.Container == "" || !v.HasLog {
		return nil
	}
	o := corev1.PodLogOptions{
		Container:  v.Container,
		Previous:   v.Previous,
		TailLines:  ptr.To[int64](searchLines),
		LimitBytes: ptr.To[int64](maxLogBytes),
	}
	raw, err := client.CoreV1().Pods(namespace).GetLogs(v.Pod, &o).DoRaw(ctx)
	if err != nil && v.Previous {
		// The node keeps few previous logs: what runs now has likely said the same.
		o.Previous = false
		raw, err = client.CoreV1().Pods(namespace).GetLogs(v.Pod, &o).DoRaw(ctx)
	}
	if err != nil {
		return nil
	}
	return printable(string(raw))
}

// printable splits a log into lines and drops what would steer a terminal:
// colours and all other control characters.
func printable(log string) []string {
	log = strings.Trim(regexp.MustCompile(`\x1b\[[0-9;?]*[ -/]*[@-~]`).ReplaceAllString(log, ""), "\r\n")
	if log == "" {
		return nil
	}
	lines := strings.Split(log, "\n")
	for i, line := range lines {
		lines[i] = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) && r != '\t' {
				return -1
			}
			return r
		}, line)
	}
	return lines
}

// cause finds the exception that ended a Python program in the lines it left:
// of the last traceback, or if that exception was raised from another, the
// first of those. It returns nothing if there is no traceback.
func cause(lines []string) string {
	exception := regexp.MustCompile(`^[A-Za-z_][\w.]*(: .*)?$`)
	found, chained := "", false
	for i := 0; i < len(lines); i++ {
		switch {
		case strings.HasPrefix(lines[i], "The above exception was the direct cause"):
			chained = true
		// A logger may have put its prefix before.
		case strings.HasSuffix(lines[i], "Traceback (most recent call last):"):
			i++
			for i < len(lines) && (strings.HasPrefix(lines[i], " ") || lines[i] == "") {
				i++
			}
			if i < len(lines) && exception.MatchString(lines[i]) && !chained {
				found = lines[i]
			}
			chained = false
		}
	}
	return found
}

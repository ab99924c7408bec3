// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"
)

// largestRecord is how much of one file of an installer is held at a time. conda's
// list every file of a package.
const largestRecord = 64 << 20

// parserOf is what reads the packages that a file tells of; nil for any other file.
func parserOf(name string) func(io.Reader) ([]installed, error) {
	dir, base := path.Dir(name), path.Base(name)
	switch {
	case base == "METADATA" && strings.HasSuffix(dir, ".dist-info"),
		base == "PKG-INFO" && strings.HasSuffix(dir, ".egg-info"),
		strings.HasSuffix(base, ".egg-info"):
		return readPython
	case name == "var/lib/dpkg/status",
		dir == "var/lib/dpkg/status.d" && !strings.HasSuffix(base, ".md5sums"):
		return readDebian
	case path.Base(dir) == "conda-meta" && strings.HasSuffix(base, ".json"):
		return readConda
	}
	return nil
}

func isRelease(name string) bool { return name == "etc/os-release" || name == "usr/lib/os-release" }

// fields reads paragraphs of KEY: VALUE lines and gives each to take, which says
// whether to go on. Lines that begin with a space go on with the one before, and
// are left out.
func fields(r io.Reader, take func(map[string]string) bool) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	paragraph := map[string]string{}
	for {
		line, long, err := lines.ReadLine()
		if errors.Is(err, io.EOF) {
			if len(paragraph) > 0 {
				take(paragraph)
			}
			return nil
		}
		if err != nil {
			return err
		}
		key, value, ok := strings.Cut(string(line), ":")
		switch {
		case len(line) == 0:
			if len(paragraph) > 0 && !take(paragraph) {
				return nil
			}
			paragraph = map[string]string{}
		case ok && !strings.HasPrefix(key, " ") && !strings.HasPrefix(key, "\t"):
			if _, there := paragraph[key]; !there {
				paragraph[key] = strings.TrimSpace(value)
			}
		}
		if long {
			skipLine(lines)
		}
	}
}

// skipLine leaves out the rest of a line that is longer than any field of use. An
// error comes again when the next one is read.
func skipLine(lines *bufio.Reader) {
	for long := true; long; {
		var err error
		if _, long, err = lines.ReadLine(); err != nil {
			return
		}
	}
}

// readPython reads the core metadata of a distribution; its description follows
// behind an empty line.
func readPython(r io.Reader) ([]installed, error) {
	var found []installed
	err := fields(r, func(f map[string]string) bool {
		if f["Name"] != "" && f["Version"] != "" {
			found = append(found, installed{kind: "pypi", name: f["Name"], version: f["Version"],
				license: f["License-Expression"]})
		}
		return false
	})
	return found, err
}

// readDebian reads dpkg's list of packages, and leaves out those whose files are
// not there.
func readDebian(r io.Reader) ([]installed, error) {
	var found []installed
	err := fields(r, func(f map[string]string) bool {
		state, told := f["Status"]
		if f["Package"] == "" || f["Version"] == "" || told && !slices.Contains(strings.Fields(state), "installed") {
			return true
		}
		p := installed{kind: "deb", name: f["Package"], version: f["Version"], qualifiers: url.Values{}}
		if f["Architecture"] != "" {
			p.qualifiers.Set("arch", f["Architecture"])
		}
		found = append(found, p)
		return true
	})
	return found, err
}

// readConda reads the record of one package. One that cannot be read is none.
func readConda(r io.Reader) ([]installed, error) {
	var record struct{ Name, Version, Build, Channel, Subdir string }
	limited := io.LimitReader(r, largestRecord)
	if err := json.NewDecoder(limited).Decode(&record); err != nil {
		_, err = io.Copy(io.Discard, limited) // the layer may be broken, not only the record
		return nil, err
	}
	if record.Name == "" || record.Version == "" {
		return nil, nil
	}
	p := installed{kind: "conda", name: record.Name, version: record.Version, qualifiers: url.Values{}}
	for key, value := range map[string]string{"build": record.Build, "subdir": record.Subdir,
		"channel": path.Base(strings.TrimSuffix(record.Channel, "/"+record.Subdir))} {
		if value != "" && value != "." {
			p.qualifiers.Set(key, value)
		}
	}
	return []installed{p}, nil
}

func readRelease(r io.Reader) (release, error) {
	var out release
	lines := bufio.NewScanner(io.LimitReader(r, 64<<10))
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), "=")
		value = strings.Trim(value, `"'`)
		switch key {
		case "ID":
			out.id = value
		case "VERSION_ID":
			out.version = value
		case "PRETTY_NAME":
			out.name = value
		}
	}
	return out, lines.Err()
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package environment

import "strings"

// pipOption is an option that a requirements file may have.
type pipOption struct {
	long, short string
	// value is set for an option that has one; place for one whose value is a URL
	// or a path.
	value, place bool
	// ordered is requirement.ordered; hashed is requirement.hashed.
	ordered, hashed bool
}

// pipOptions are those of pip (its SUPPORTED_OPTIONS in req/req_file.py) that say
// what is installed.
func pipOptions() []pipOption {
	return []pipOption{
		{long: "--index-url", short: "-i", value: true, ordered: true},
		{long: "--extra-index-url", value: true},
		{long: "--find-links", short: "-f", value: true, place: true},
		{long: "--requirement", short: "-r", value: true, place: true},
		{long: "--constraint", short: "-c", value: true, place: true},
		{long: "--editable", short: "-e", value: true, place: true},
		{long: "--trusted-host", value: true},
		{long: "--no-binary", value: true, ordered: true},
		{long: "--only-binary", value: true, ordered: true},
		{long: "--use-feature", value: true},
		{long: "--no-index"},
		{long: "--prefer-binary"},
		{long: "--pre"},
		{long: "--require-hashes", hashed: true},
	}
}

// parseOptions reads a line of options.
func parseOptions(tokens []string) (found []requirement, wrong string) {
	for i := 0; i < len(tokens); i++ {
		o, value, attached := optionOf(tokens[i])
		switch {
		case o == nil:
			return nil, "has no option of pip's that says what to install, " + tokens[i] + ": remove it"
		case o.value && !attached && i+1 < len(tokens):
			i++
			value = tokens[i]
		}
		switch {
		case o.value && value == "":
			return nil, "has the option " + o.long + " without a value: write " + o.long + " VALUE"
		case !o.value && attached:
			return nil, "has a value for the option " + o.long + ", which has none: remove it"
		case o.place && !strings.Contains(value, "://") && !strings.HasPrefix(value, "/"):
			return nil, "names " + value + ", which is not there where the image is built: write its packages here, or its URL"
		}
		text := o.long
		if o.value {
			text += " " + value
		}
		found = append(found, requirement{text: text, option: true, ordered: o.ordered, hashed: o.hashed})
	}
	return found, ""
}

// optionOf finds the option that a token is, and the value that is in it.
func optionOf(token string) (o *pipOption, value string, attached bool) {
	name, value, attached := strings.Cut(token, "=")
	for _, o := range pipOptions() {
		switch {
		case token == o.short || name == o.long:
			return &o, value, attached
		case o.short != "" && strings.HasPrefix(token, o.short) && !strings.HasPrefix(token, "--"):
			return &o, strings.TrimPrefix(token, o.short), true
		}
	}
	return nil, "", false
}

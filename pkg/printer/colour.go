// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package printer

import (
	"regexp"
)

// The colours that az gives names, texts and other values.
const (
	nameColour  = "\x1b[94m"
	textColour  = "\x1b[33m"
	valueColour = "\x1b[34m"
	noColour    = "\x1b[39;49;00m"
)

// colour gives a JSON or YAML text its colours if the format has some and the
// reader is a terminal.
func (a Azure) colour(text []byte) []byte {
	switch {
	case !a.Colour:
	case a.Format == AzureColourJSON:
		return colourJSON(text)
	case a.Format == AzureColourYAML:
		name := regexp.MustCompile(`(?m)^((?: |- )*)("?[^\s:'"-][^:\n]*)(:(?: |$))`)
		return name.ReplaceAll(text, []byte("${1}"+nameColour+"${2}"+noColour+"${3}"))
	}
	return text
}

func colourJSON(text []byte) []byte {
	part := regexp.MustCompile(`("(?:[^"\\]|\\.)*")(:?)|-?\d[\d.eE+-]*|true|false|null`)
	return part.ReplaceAllFunc(text, func(found []byte) []byte {
		colour, rest := valueColour, ""
		switch {
		case found[0] == '"' && found[len(found)-1] == ':':
			colour, rest, found = nameColour, ":", found[:len(found)-1]
		case found[0] == '"':
			colour = textColour
		}
		return []byte(colour + string(found) + noColour + rest)
	})
}

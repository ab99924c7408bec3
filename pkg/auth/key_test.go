// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package auth_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/pkg/auth"
)

const secret = "s3cr3t-of-sentiment"

func TestKeyIsRedacted(t *testing.T) {
	type hidden struct{ inner auth.Keys }
	key := auth.NewKey(secret)
	keys := auth.Keys{Primary: key, Secondary: key}
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("made", "key", key, "keys", keys)
	inJSON, err := json.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	inYAML, err := yaml.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	printed := map[string]string{
		"%s": fmt.Sprintf("%s", key), "%v": fmt.Sprint(keys), "%+v": fmt.Sprintf("%+v", keys),
		"%#v": fmt.Sprintf("%#v", keys), "%q": fmt.Sprintf("%q", key), "%x": fmt.Sprintf("%x", key),
		"%d": fmt.Sprintf("%d", key), "pointer": fmt.Sprint(&keys), "error": fmt.Errorf("bad %v", key).Error(),
		"unexported field": fmt.Sprintf("%v %+v %#v", hidden{keys}, hidden{keys}, hidden{keys}),
		"log":              logged.String(), "json": string(inJSON), "yaml": string(inYAML),
	}
	for how, text := range printed {
		t.Run(how, func(t *testing.T) {
			if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
				t.Errorf("tells the key: %s", text)
			}
		})
	}
	if want := `{"primaryKey":"REDACTED","secondaryKey":"REDACTED"}`; string(inJSON) != want {
		t.Errorf("got %s, want %s", inJSON, want)
	}
	if key.Reveal() != secret {
		t.Errorf("reveals %q, want %q", key.Reveal(), secret)
	}
}

func TestRandomKey(t *testing.T) {
	form, seen := regexp.MustCompile(`^[A-Za-z0-9]{32}$`), map[string]bool{}
	characters := map[rune]bool{}
	for range 500 {
		key := auth.RandomKey()
		if !form.MatchString(key.Reveal()) || seen[key.Reveal()] {
			t.Fatalf("made %q: want 32 letters and digits, another each time", key.Reveal())
		}
		seen[key.Reveal()] = true
		for _, r := range key.Reveal() {
			characters[r] = true
		}
	}
	if len(characters) != 62 {
		t.Errorf("uses %d characters, want all 62", len(characters))
	}
}

func TestKeysValidate(t *testing.T) {
	cases := map[string]struct {
		primary, secondary string
		want               string
	}{
		"letters_and_digits":    {"abcXYZ019", "b", ""},
		"all_of_a_bearer_token": {"a-._~+/b==", "b", ""},
		"the_longest":           {strings.Repeat("a", 1024), "b", ""},
		"empty":                 {"", "b", "primaryKey is empty: give a key or leave the field out to have one made"},
		"too_long": {strings.Repeat("a", 1025), "b",
			"primaryKey has 1025 characters: a key may have at most 1024"},
		"a_quote_would_end_yaml": {`ab"c`, "b", refused("primaryKey", 3)},
		"a_backslash":            {`\x41`, "b", refused("primaryKey", 1)},
		"a_line_break":           {"abc\n", "b", refused("primaryKey", 4)},
		"a_space":                {"a b", "b", refused("primaryKey", 2)},
		"another_script":         {"ключ", "b", refused("primaryKey", 1)},
		"bytes_that_are_no_text": {"a\xff", "b", refused("primaryKey", 2)},
		"all_findings_are_told":  {" ", "a:b", refused("primaryKey", 1) + "\n" + refused("secondaryKey", 2)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := ""
			keys := auth.Keys{Primary: auth.NewKey(c.primary), Secondary: auth.NewKey(c.secondary)}
			if err := keys.Validate(); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func refused(field string, at int) string {
	return fmt.Sprintf("%s cannot be sent in a header because of its character %d: "+
		"write letters, digits and - . _ ~ + / = only", field, at)
}

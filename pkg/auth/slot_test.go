// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package auth_test

import (
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/pkg/auth"
)

// slot has the form of the chart's files/auth-key.yaml.
const slot = `resources:
- name: auth
  policies:
    primary: {exact: "Bearer @PRIMARY@"}
    secondary: {exact: "Bearer @SECONDARY@"}
`

func TestRenderSlot(t *testing.T) {
	keys := auth.Keys{Primary: auth.NewKey("one"), Secondary: auth.NewKey("two")}
	cases := map[string]struct {
		text string
		keys auth.Keys
		want string
		err  string
	}{
		"puts_both_keys_in": {text: slot, keys: keys, want: rendered("one", "two")},
		"refuses_a_text_without_a_place": {text: "resources: [] # @PRIMARY@", keys: keys,
			err: "the router's auth slot has no @SECONDARY@: this build's chart is damaged"},
		"refuses_a_key_that_would_change_the_policy": {text: slot,
			keys: auth.Keys{Primary: auth.NewKey(`"}, any: {true: "`), Secondary: keys.Secondary},
			err:  refused("primaryKey", 1)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := auth.RenderSlot(c.text, c.keys)
			if got != c.want || err == nil && c.err != "" || err != nil && err.Error() != c.err {
				t.Errorf("got %q, %v; want %q, %s", got, err, c.want, c.err)
			}
		})
	}
}

// FuzzRenderSlot proves that no key that is accepted changes what the slot is
// but for the keys in it.
func FuzzRenderSlot(f *testing.F) {
	for _, seed := range []string{"abc", `"`, "\\", "\n", "@SECONDARY@", "a#b", "a: b", "\u2028", "{{"} {
		f.Add(seed, "other")
	}
	f.Fuzz(func(t *testing.T, primary, secondary string) {
		text, err := auth.RenderSlot(slot, auth.Keys{Primary: auth.NewKey(primary), Secondary: auth.NewKey(secondary)})
		if err != nil {
			return
		}
		var read struct {
			Resources []struct {
				Policies map[string]map[string]string
			}
		}
		if err := yaml.Unmarshal([]byte(text), &read); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		policies := read.Resources[0].Policies
		if len(policies) != 2 || policies["primary"]["exact"] != "Bearer "+primary ||
			policies["secondary"]["exact"] != "Bearer "+secondary {
			t.Errorf("keys %q and %q make\n%s", primary, secondary, text)
		}
	})
}

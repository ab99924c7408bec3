// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package auth_test

import (
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-aml/kubectl-aml/charts"
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

// TestRenderSlotOfTheChart proves that the chart's own slot lets in the two
// keys, each as a bearer token, and the probe.
func TestRenderSlotOfTheChart(t *testing.T) {
	text, err := charts.FS.ReadFile("inference/files/auth-key.yaml")
	if err != nil {
		t.Fatal(err)
	}
	keys := auth.Keys{Primary: auth.RandomKey(), Secondary: auth.NewKey("a-._~+/b==")}
	rendered, err := auth.RenderSlot(string(text), keys)
	if err != nil {
		t.Fatal(err)
	}
	var slot struct {
		Resources []struct {
			Name        string `json:"name"`
			TypedConfig struct {
				Type  string `json:"@type"`
				Rules struct {
					Action   string `json:"action"`
					Policies map[string]struct {
						Principals []struct {
							Header struct {
								Name  string                 `json:"name"`
								Match struct{ Exact string } `json:"string_match"`
							} `json:"header"`
						} `json:"principals"`
					} `json:"policies"`
				} `json:"rules"`
			} `json:"typed_config"`
		} `json:"resources"`
	}
	if err := yaml.Unmarshal([]byte(rendered), &slot); err != nil {
		t.Fatal(err)
	}
	rules := slot.Resources[0].TypedConfig.Rules
	if rules.Action != "ALLOW" || len(rules.Policies) != 3 {
		t.Fatalf("got %d policies to %s, want 3 to ALLOW", len(rules.Policies), rules.Action)
	}
	for policy, key := range map[string]auth.Key{"primary": keys.Primary, "secondary": keys.Secondary} {
		principals := rules.Policies[policy].Principals
		if len(principals) != 1 || principals[0].Header.Name != "authorization" ||
			principals[0].Header.Match.Exact != "Bearer "+key.Reveal() {
			t.Errorf("policy %s lets in %+v", policy, principals)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

import (
	"slices"
	"strings"
	"testing"
)

// TestPlainText has what PyYAML 6.0 makes of texts without quotes.
func TestPlainText(t *testing.T) {
	t.Parallel()
	numbers := map[string]float64{
		"0": 0, "7": 7, "-7": -7, "+7": 7, "1_000": 1000, "0x1F": 31, "0b101": 5, "010": 8, "-010": -8, "0_7": 7,
		"1.5": 1.5, "-1.5": -1.5, "+1.5": 1.5, "1.": 1, ".5": 0.5, "1_0.5": 10.5, "1.5e+3": 1500, "1.5E-1": 0.15, "08.5": 8.5,
		"1:30": 90, "-1:30": -90, "1:00:00": 3600, "1:30.5": 90.5, "99999999999999999999": 1e20,
	}
	for text, want := range numbers {
		if n := plainNode(place{1, 1}, text); n.kind != numberKind || n.number != want || n.text != text {
			t.Errorf("%s is %s, %v; want %v", text, n.describe(), n.number, want)
		}
	}
	for _, text := range []string{"6e4", "1e3", "1.5e3", "1E+3", "08", "0o17", "-.5", ".inf", ".nan", "1:60", "0x", "_1", "1 2",
		"tRUE", "yES", "y", "n", "nULL", "a", "-", ".", "1.2.3", "+", "2020-01-01", "1e999"} {
		if n := plainNode(place{1, 1}, text); n.kind != textKind || n.text != text {
			t.Errorf("%s is %s, want text", text, n.describe())
		}
	}
	trues := strings.Fields("yes Yes YES true True TRUE on On ON")
	for _, text := range append(trues, strings.Fields("no No NO false False FALSE off Off OFF")...) {
		if n := plainNode(place{1, 1}, text); n.kind != boolKind || n.truth != slices.Contains(trues, text) {
			t.Errorf("%s is %s, %t", text, n.describe(), n.truth)
		}
	}
	for _, text := range []string{"", "~", "null", "Null", "NULL"} {
		if n := plainNode(place{1, 1}, text); n.kind != nullKind {
			t.Errorf("%q is %s, want null", text, n.describe())
		}
	}
}

// TestYAMLIsReadFirst has what comes of a reader of YAML that JSON is given to.
func TestYAMLIsReadFirst(t *testing.T) {
	t.Parallel()
	const replicas = "numReplicas: must be a whole number, not "
	const write = ": write a whole number of replicas, such as 2\n"
	cases := map[string]struct{ src, want string }{
		"bare yes and on are true": {"computeType: AKS\nauthEnabled: yes\nappInsightsEnabled: on\n", ""},
		"bare No is false":         {"computeType: AKS\nauthEnabled: No\ntokenAuthEnabled: off\n", ""},
		"yes in quotes is not": {"computeType: AKS\nauthEnabled: \"yes\"\n",
			"d:2:14: authEnabled: must be true or false, not the text \"yes\": " +
				"write true or false without quotes\n"},
		"an exponent is text": {`{"computeType": "AKS", "numReplicas": 6e4}`,
			"d:1:39: " + replicas + "6e4, which is text in YAML 1.1" + write},
		"an exponent after a tab": {"{\"computeType\": \"AKS\",\t\"numReplicas\": 6e4}", ""},
		"an octal number":         {"computeType: AKS\nnumReplicas: 010\n", ""},
		"a number in quotes":      {"computeType: AKS\nnumReplicas: '3'\n", "d:2:14: " + replicas + "the text \"3\"" + write},
		"a quantity":              {"computeType: AKS\nnumReplicas: 500m\n", "d:2:14: " + replicas + "the text \"500m\"" + write},
		"the last of two keys": {`{"computeType": "AKS", "numReplicas": 0, "numReplicas": 1}`,
			"warning: d:1:42: numReplicas: is written twice, first on line 1: " +
				"the last one counts, remove the other\n"},
		"tabs before JSON": {"{\n\t\"computeType\": \"AKS\",\n\t\"numReplicas\": 0}",
			"d:3:17: " + strings.Replace(replicas, "a whole number", "greater than 0", 1) + "0" + write},
		"tabs before YAML": {"computeType: AKS\nkeys:\n\tprimaryKey: a\n",
			"d:3:1: is neither valid JSON nor valid YAML: found character '\t' that cannot start any token\n"},
		"a block that is empty": {"computeType: AKS\nautoScaler:\n",
			"d:2:13: autoScaler: must be an object, not null: write {…} or leave the key out\n"},
		"a value that is empty": {"computeType: AKS\nnumReplicas:\nnamespace: ~\n", ""},
		"an empty name is none": {"computeType: AKSENDPOINT\nversionName: ''\nnamespace: ''\n", ""},
		"a name with a line feed": {"computeType: AKS\nnamespace: |\n  models\n",
			"d:2:12: namespace: must be 1 to 63 lower-case letters, digits and hyphens, " +
				"beginning and ending with a letter or digit, not \"models\\n\": " +
				"write a namespace such as \"models\"\n"},
		"the computeType in a case": {"computeType: aks\n", ""},
		"no computeType": {"numReplicas: 1\n", "d:1:1: computeType: is required: write \"AKS\" for one version, " +
			"\"AKSENDPOINT\" for several that share the traffic\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, findings := ReadDeploymentConfig("d", []byte(c.src))
			expect(t, "findings", told(findings), c.want)
		})
	}
}

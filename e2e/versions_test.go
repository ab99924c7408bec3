// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
)

// The walk is the one in Azure ML v1's own description of AksEndpoint.
func TestSixVersionsShareTheTrafficByTheRulesOfAzureMLsEndpoints(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.echo("first", "model-1", "--traffic", "20")
	c, key := s.client(), bearer(s.key("echo"))
	s.splits(c, key, map[string]float64{"first": 100})
	s.echo("second", "model-2", "--traffic", "10")
	s.splits(c, key, map[string]float64{"first": 90, "second": 10})
	s.ok("endpoint", "realtime", "update-version", "-n", "echo", "--vn", "second", "--tp", "40",
		"--is-default", "--is-control-version-type")
	s.splits(c, key, map[string]float64{"first": 20, "second": 80})
	if roles := s.ok("traffic", "get", "echo").out; !strings.Contains(roles, "default,control") {
		t.Errorf("the second version is not default and control:\n%s", roles)
	}
	s.refuses(map[string][]string{`version name "router" is taken`: s.echoArgs("router", "model-8")})
	for i, name := range []string{"third", "fourth", "fifth", "sixth"} {
		s.echo(name, fmt.Sprintf("model-%d", i+3), "--traffic", "10")
	}
	six := map[string]float64{"first": 20, "second": 40, "third": 10, "fourth": 10, "fifth": 10, "sixth": 10}
	s.splits(c, key, six)
	for i, name := range []string{"first", "second", "third", "fourth", "fifth", "sixth"} {
		r := c.send(s.versionURL("echo", name), 5, key, "-body={}").allOK(t)
		want := fmt.Sprintf(`{"model": "model-%d"}`, i+1)
		if r.Versions[name] != 5 || r.Bodies[want] != 5 {
			t.Errorf("the URL of version %s is answered by %v with %v, want %s", name, r.Versions, r.Bodies, want)
		}
	}
	s.refuses(map[string][]string{
		"has 6 versions already, the most there can be": s.echoArgs("seventh", "model-7"),
		"make another the default first":                {"delete", "version", "echo", "second"},
		`"nobody" is not a version of endpoint "echo"`:  {"delete", "version", "echo", "nobody"},
		"sums to 150":                             {"traffic", "set", "echo", "first=60", "third=90"},
		"not a percentile: write a number from":   {"traffic", "set", "echo", "first=-5"},
		"traffic 500 is not a percentile":         {"traffic", "set", "echo", "first=500"},
		`there is fifth, first, fourth, second`:   {"traffic", "set", "echo", "--default", "nobody"},
		`version name "v1" is not valid`:          s.echoArgs("v1", "model-8"),
		"at most four decimals":                   {"traffic", "set", "echo", "first=0.00001"},
		`version "first" is named twice`:          {"traffic", "set", "echo", "first=1", "first=2"},
		`"first:1" is not a share of the`:         {"traffic", "set", "echo", "first:1"},
		`"nobody" is not a version of endpoint`:   {"endpoint", "realtime", "delete-version", "-n", "echo", "--vn", "nobody"},
		`is not a version of endpoint "echo": th`: {"endpoint", "realtime", "update-version", "-n", "echo", "--vn", "nobody", "--is-default"},
	})
	s.splits(c, key, six)
}

// splits holds the effective split and 2,000 requests against what is wanted.
func (s *space) splits(c *client, key string, want map[string]float64) {
	s.t.Helper()
	var list struct {
		Items []struct {
			Name      string  `json:"name"`
			Effective float64 `json:"effectiveTraffic"`
		} `json:"items"`
	}
	must(s.t, json.Unmarshal([]byte(s.ok("traffic", "get", "echo", "-o", "json").out), &list))
	told := map[string]float64{}
	for _, v := range list.Items {
		told[v.Name] = v.Effective
	}
	if !maps.Equal(told, want) {
		s.t.Errorf("traffic get tells %v, want %v", told, want)
	}
	r := c.send(s.url("echo"), 2000, key, "-body={}").allOK(s.t)
	for version, percent := range want {
		r.nearly(s.t, version, percent)
	}
}

// refuses runs commands that must fail with the sentence they are keyed by.
func (s *space) refuses(commands map[string][]string) {
	s.t.Helper()
	for sentence, args := range commands {
		if r := s.run(args...); r.code == 0 || !strings.Contains(r.err, sentence) {
			s.t.Errorf("kubectl aml %s ended with %d, want a refusal with %q:\n%s%s",
				strings.Join(args, " "), r.code, sentence, r.out, r.err)
		}
	}
}

// versionURL is the scoring address of one version alone.
func (s *space) versionURL(name, version string) string {
	return strings.TrimSuffix(s.url(name), "score") + "versions/" + version + "/score"
}

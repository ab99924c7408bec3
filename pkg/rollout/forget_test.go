// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package rollout

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"
)

func addresses(texts ...string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

func TestParseReplicasTellsTheAddressesOfEachVersion(t *testing.T) {
	t.Parallel()
	// What Envoy 1.40 tells.
	told, err := os.ReadFile("testdata/replicas.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseReplicas(strings.NewReader(string(told)))
	want := map[string][]netip.Addr{"blue": addresses("10.244.0.56", "10.244.0.59"), "green": addresses("fd00:10:244::3b")}
	if err != nil || !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for _, wrong := range []string{"", "<html>", `{"cluster_statuses":[{"host_statuses":[{"address":{"socket_address":` +
		`{"address":"localhost"}}}]}]}`} {
		if got, err := parseReplicas(strings.NewReader(wrong)); err == nil {
			t.Errorf("%q: got %v", wrong, got)
		}
	}
}

// sending is what two routers send to, look by look; the last one stays.
type sending struct {
	*clocktesting.FakeClock
	sent  [][2][]netip.Addr
	look  int
	err   map[string]error
	lines []string
}

func (s *sending) After(d time.Duration) <-chan time.Time {
	s.Step(d)
	s.look++
	passed := make(chan time.Time, 1)
	passed <- s.Now()
	return passed
}

func (s *sending) Pods(context.Context) ([]Pod, error) {
	return []Pod{{Name: "one", Ready: true}, {Name: "starting"}, {Name: "two", Ready: true}}, s.err["list"]
}

func (s *sending) Replicas(_ context.Context, pod string) (map[string][]netip.Addr, error) {
	at := map[string]int{"one": 0, "two": 1}[pod]
	green := s.sent[min(s.look, len(s.sent)-1)][at]
	return map[string][]netip.Addr{"green": green, "blue": addresses("10.0.0.9")}, s.err[pod]
}

func TestForgetWaitsUntilNoRouterSendsToAReplicaOfBefore(t *testing.T) {
	t.Parallel()
	pods := schema.GroupResource{Resource: "pods"}
	gone := apierrors.NewNotFound(pods, "two")
	denied := apierrors.NewForbidden(schema.GroupResource{Resource: "pods/proxy"}, "one", errors.New("no"))
	was, both, is := addresses("10.0.0.1"), addresses("10.0.0.1", "10.0.0.2"), addresses("10.0.0.2")
	const (
		unknown = "it is not known whether routers still send requests of version green to replicas of the revision " +
			"before: "
		waits = "all is ready, routers still send requests of version green to 10.0.0.1 of the revision before"
		late  = "all is ready, but the routers one still send requests of version green to 10.0.0.1 of the revision before: " +
			"they stop when DNS has these addresses no more"
	)
	type to = [2][]netip.Addr
	for name, c := range map[string]struct {
		sent  []to
		err   map[string]error
		want  string
		looks int
		lines []string
	}{
		"new at once":                       {sent: []to{{is, is}}},
		"a router that never saw both":      {sent: []to{{was, was}, {was, is}, {is, is}}, looks: 2},
		"a router that has both":            {sent: []to{{both, both}, {is, both}, {is, is}}, looks: 2},
		"a router that has none":            {sent: []to{{nil, is}}},
		"a router that has no answer to it": {sent: []to{{is, nil}}, err: map[string]error{"two": gone}},
		"not allowed to ask": {sent: []to{{is, is}}, err: map[string]error{"one": denied},
			want: unknown + denied.Error()},
		"a router that never answers": {sent: []to{{is, is}}, err: map[string]error{"two": errors.New("connection refused")},
			want: unknown + "connection refused", looks: 50},
		"routers that nobody can list": {sent: []to{{is, is}}, err: map[string]error{"list": errors.New("etcd is away")},
			want: unknown + "etcd is away", looks: 50},
		"a router that goes on sending to it": {sent: []to{{both, is}}, want: late, looks: 50, lines: []string{waits}},
		"a DNS that keeps what it knew": {sent: append(slices.Repeat([]to{{was, was}}, 40), to{is, is}),
			looks: 40, lines: []string{waits}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &sending{FakeClock: clocktesting.NewFakeClock(time.Unix(0, 0)), sent: c.sent, err: c.err}
			err := Forget(t.Context(), ForgetOptions{Senders: s, Versions: []string{"green"}, Clock: s,
				Timeout: 5 * time.Second,
				Current: func(context.Context) (map[string][]netip.Addr, error) {
					return map[string][]netip.Addr{"green": is}, nil
				},
				Report: func(line string) { s.lines = append(s.lines, line) }})
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.want || s.look != c.looks || !slices.Equal(s.lines, c.lines) {
				t.Errorf("after %d looks: %q, told %q; want %q, %q after %d", s.look, got, s.lines, c.want, c.lines, c.looks)
			}
		})
	}
}

func TestForgetEndsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := &sending{FakeClock: clocktesting.NewFakeClock(time.Unix(0, 0)), sent: [][2][]netip.Addr{{nil, nil}}}
	err := Forget(ctx, ForgetOptions{Senders: s, Versions: []string{"green"}, Clock: s,
		Current: func(ctx context.Context) (map[string][]netip.Addr, error) { return nil, ctx.Err() }})
	if !errors.Is(err, context.Canceled) || s.look != 0 {
		t.Errorf("after %d looks: %v, want the context's error", s.look, err)
	}
}

func TestStaleReplicasAreNamedOnceAndInOrder(t *testing.T) {
	t.Parallel()
	type replicas = map[string][]netip.Addr
	sent := map[string]replicas{
		"b": {"green": addresses("10.0.0.3", "10.0.0.1", "10.0.0.2"), "blue": addresses("10.0.0.2"), "red": addresses("10.0.0.9")},
		"a": {"green": addresses("10.0.0.1"), "blue": addresses("10.0.0.4")},
	}
	o := ForgetOptions{Versions: []string{"green", "blue"}}
	// An address that was one version's may be another's now.
	got := o.stale(sent, replicas{"green": addresses("10.0.0.2"), "blue": addresses("10.0.0.4")})
	if !slices.Equal(got.routers, []string{"a", "b"}) || !slices.Equal(got.versions, []string{"blue", "green"}) ||
		got.at() != "10.0.0.1, 10.0.0.2, 10.0.0.3" {
		t.Errorf("got %v of %v at %s", got.routers, got.versions, got.at())
	}
	if !slices.Equal(sent["b"]["green"], addresses("10.0.0.3", "10.0.0.1", "10.0.0.2")) {
		t.Errorf("what was sent is %v now", sent["b"])
	}
}

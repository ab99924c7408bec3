// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/utils/clock"
)

// wall is the clock of the engines, which no test can set.
var wall = clock.RealClock{}

// eventually fails t unless ask says true within the time.
func eventually(t *testing.T, within time.Duration, what string, ask func() bool) {
	t.Helper()
	for end := wall.Now().Add(within); ; wall.Sleep(20 * time.Millisecond) {
		if ask() {
			return
		}
		if wall.Now().After(end) {
			t.Fatalf("%s: not within %v", what, within)
		}
	}
}

// freePort returns a TCP port of 127.0.0.1 that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}

// cluster is the part of a cluster that a router sees: pods with addresses of
// their own, and the DNS that tells which of them are ready.
type cluster struct {
	t     *testing.T
	dns   net.PacketConn
	mutex sync.Mutex
	names map[string][]net.IP // version → ready pods
	last  byte
}

// lastCluster numbers clusters, so that their pods never share an address.
var lastCluster atomic.Uint32

// newCluster starts a cluster's DNS.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, dns: conn, names: map[string][]net.IP{}}
	number := byte(lastCluster.Add(1))
	t.Cleanup(func() { _ = conn.Close() })
	go c.answer()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.names[""] = []net.IP{net.IPv4(127, 88, number, 0)}
	return c
}

// pod is what a router sends requests to.
type pod struct {
	cluster *cluster
	version string
	ip      net.IP
	server  *http.Server

	// delay is how long an answer takes; a pod that is stuck reads no body before.
	delay atomic.Int64
	stuck atomic.Bool
	// served and bytes are the requests that came and what was read of them.
	served, bytes atomic.Int64
	last          atomic.Pointer[http.Request]
	// resets makes it cut connections instead of answering, status answer so.
	resets atomic.Bool
	status atomic.Int64
	// refusal is what the limiter says instead of the model; empty: nothing.
	// refused is how often it did.
	refusal atomic.Value
	refused atomic.Int64
}

// addPod starts a pod of a version, ready at once.
func (c *cluster) addPod(version string) *pod {
	c.t.Helper()
	p := &pod{cluster: c, version: version, ip: c.addAddress()}
	listener, err := net.Listen("tcp", p.ip.String()+":9001")
	if err != nil {
		c.t.Fatal(err)
	}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	go func() {
		if err := p.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			c.t.Errorf("pod of %s: %v", version, err)
		}
	}()
	c.t.Cleanup(func() { _ = p.server.Close() })
	c.ready(version, p.ip)
	return p
}

// addAddress returns an address that nobody has.
func (c *cluster) addAddress() net.IP {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.last++
	network := c.names[""][0].To4()
	return net.IPv4(network[0], network[1], network[2], c.last)
}

// ready puts an address into DNS.
func (c *cluster) ready(version string, ip net.IP) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.names[version] = append(c.names[version], ip)
}

// addLimiter starts a pod of a version that has the limiter of the endpoint with
// such values, and nothing behind it.
func (c *cluster) addLimiter(version, values string) *limiter {
	c.t.Helper()
	ip := c.addAddress()
	l := startLimiter(c.t, values, version, ip.String()+":9001")
	c.ready(version, ip)
	return l
}

// ServeHTTP answers what it was asked, as the limiter would mark it.
func (p *pod) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.served.Add(1)
	p.last.Store(r)
	if p.stuck.Load() {
		wall.Sleep(time.Duration(p.delay.Load()))
	}
	read, _ := io.Copy(io.Discard, r.Body)
	p.bytes.Add(read)
	if !p.stuck.Load() {
		wall.Sleep(time.Duration(p.delay.Load()))
	}
	if p.resets.Load() {
		reset(w)
		return
	}
	w.Header().Set("azureml-model-deployment", p.version)
	if status := p.status.Load(); status != 0 {
		w.WriteHeader(int(status))
	}
	if why, _ := p.refusal.Load().(string); why != "" {
		p.refused.Add(1)
		w.Header().Set("x-aml-limiter", why)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintf(w, "%s %s", r.Method, r.URL)
	for _, name := range []string{"Authorization", "X-Request-Id", "X-Envoy-Upstream-Rq-Timeout-Ms"} {
		if value := r.Header.Get(name); value != "" {
			fmt.Fprintf(w, " %s=%s", strings.ToLower(name), value)
		}
	}
}

// raise makes a maximum at least as large as to.
func raise(most *atomic.Int64, to int64) {
	for {
		if seen := most.Load(); seen >= to || most.CompareAndSwap(seen, to) {
			return
		}
	}
}

// unready takes the pod out of DNS; it goes on answering.
func (p *pod) unready() {
	p.cluster.mutex.Lock()
	defer p.cluster.mutex.Unlock()
	kept := p.cluster.names[p.version][:0]
	for _, ip := range p.cluster.names[p.version] {
		if !ip.Equal(p.ip) {
			kept = append(kept, ip)
		}
	}
	p.cluster.names[p.version] = kept
}

// kill ends the pod at once: DNS still names it, nobody listens.
func (p *pod) kill() {
	_ = p.server.Close()
}

// answer is the DNS server: A records of ENDPOINT-VERSION.… from names, no
// other records, and "no such name" where there is no ready pod.
func (c *cluster) answer() {
	buffer := make([]byte, 1500)
	for {
		n, from, err := c.dns.ReadFrom(buffer)
		if err != nil {
			return
		}
		if reply := c.reply(buffer[:n]); reply != nil {
			_, _ = c.dns.WriteTo(reply, from)
		}
	}
}

func (c *cluster) reply(query []byte) []byte {
	name, end := "", 12
	for end < len(query) && query[end] != 0 {
		length := int(query[end])
		name += string(query[end+1:end+1+length]) + "."
		end += 1 + length
	}
	if end+5 > len(query) {
		return nil
	}
	question := query[12 : end+5]
	_, version, _ := strings.Cut(strings.SplitN(name, ".", 2)[0], "-")
	c.mutex.Lock()
	ips := c.names[version]
	c.mutex.Unlock()
	reply := append([]byte{}, query[:2]...)
	flags := uint16(0x8580)
	if len(ips) == 0 {
		flags |= 3 // no such name
	}
	if binary.BigEndian.Uint16(question[len(question)-4:]) != 1 {
		ips = nil // only A
	}
	for _, number := range []uint16{flags, 1, uint16(len(ips)), 0, 0} {
		reply = binary.BigEndian.AppendUint16(reply, number)
	}
	reply = append(reply, question...)
	for _, ip := range ips {
		reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4)
		reply = append(reply, ip.To4()...)
	}
	return reply
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package dataplane_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// dial opens a WebSocket at an address of the endpoint.
func (r *router) dial(path string, headers ...string) (*websocket.Conn, answer, error) {
	header := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		header.Set(headers[i], headers[i+1])
	}
	conn, response, err := websocket.DefaultDialer.DialContext(r.t.Context(),
		"ws"+strings.TrimPrefix(r.url, "http")+path, header)
	if response == nil {
		return nil, answer{}, err
	}
	_ = response.Body.Close() // the dialer has read it
	return conn, answer{status: response.StatusCode, header: response.Header}, err
}

// echo sends a message and fails the test unless it comes back.
func echo(t *testing.T, conn *websocket.Conn, message string) {
	t.Helper()
	if err := conn.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(wall.Now().Add(10 * time.Second))
	if _, got, err := conn.ReadMessage(); err != nil || string(got) != message {
		t.Fatalf("got %d bytes, %v, want the %d sent", len(got), err, len(message))
	}
}

func TestWebSockets(t *testing.T) {
	const values = "{router: {maxRequestBytes: 100000}, defaultVersion: blue, versions: {blue: {image: i, " +
		"maxQueueWaitMs: 300, scoringTimeoutMs: 400}, green: {image: i, mirror: 100}}}"
	c := newCluster(t)
	green := c.addPod("green")
	l := c.addLimiter("blue", values)
	l.listen()
	l.waitAlive()
	r := newRouter(t, c, values)
	const api = "/api/v1/service/sentiment"
	key := []string{"Authorization", "Bearer " + primary}
	if _, got, err := r.dial(api + "/score"); err == nil || got.status != http.StatusUnauthorized {
		t.Errorf("without a key: %v", err)
	}
	if _, got, err := r.dial(api+"/scores", key...); err == nil || got.status != http.StatusNotFound {
		t.Errorf("at another path: %v, %v", err, got)
	}
	for name, address := range map[string][]string{
		"endpoint":      {api + "/score"},
		"version's own": {api + "/versions/blue/score"},
		"pin":           {"/score", "azureml-model-deployment", "blue"},
	} {
		t.Run(name, func(t *testing.T) {
			eventually(t, 10*time.Second, "a free replica", func() bool { return l.ask("/score", "").status == http.StatusOK })
			conn, got, err := r.dial(address[0], append(address[1:], key...)...)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if got := got.header.Get("azureml-model-deployment"); got != "blue" {
				t.Errorf("version %q answered", got)
			}
			echo(t, conn, "one")
			if got := r.score(); got.status != http.StatusServiceUnavailable || got.header.Get("X-Aml-Limiter") != "full" {
				t.Errorf("beside a WebSocket a request got %d: it has the replica's only place", got.status)
			}
			if name == "endpoint" {
				// Longer than any time-out of a request.
				wall.Sleep(2500 * time.Millisecond)
			}
			echo(t, conn, strings.Repeat("x", 60_000))
			echo(t, conn, strings.Repeat("y", 60_000))
			_ = conn.Close()
			eventually(t, 10*time.Second, "the place is free", func() bool { return r.score().status == http.StatusOK })
		})
	}
	if last := green.last.Load(); last != nil && last.Header.Get("Upgrade") != "" {
		t.Error("a WebSocket was copied")
	}
}

func TestHTTP2OnTheSamePort(t *testing.T) {
	c := newCluster(t)
	c.addPod("blue")
	r := newRouter(t, c, "{defaultVersion: blue, versions: {blue: {image: i}}}")
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	for key, want := range map[string]int{primary: http.StatusOK, "no": http.StatusUnauthorized} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/score", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+key)
		response, err := (&http.Client{Transport: transport}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want || response.ProtoMajor != 2 {
			t.Errorf("with the key %s: got %s %d, want %d", key, response.Proto, response.StatusCode, want)
		}
	}
}

// speaker is a gRPC server that counts: Check answers after the milliseconds
// that the metadata asks for, Watch sends three answers.
type speaker struct {
	grpc_health_v1.UnimplementedHealthServer
	app *app
}

func (s *speaker) enter(ctx context.Context) (leave func()) {
	s.app.served.Add(1)
	raise(&s.app.most, s.app.active.Add(1))
	asked, _ := metadata.FromIncomingContext(ctx)
	for _, text := range asked.Get("x-wait") {
		wait, _ := time.ParseDuration(text)
		wall.Sleep(wait)
	}
	return func() { s.app.active.Add(-1) }
}

// Check answers SERVING, or NOT_FOUND for a service called "none".
func (s *speaker) Check(ctx context.Context, in *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	defer s.enter(ctx)()
	if in.GetService() == "none" {
		return nil, status.Error(codes.NotFound, "no such service")
	}
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

// Watch sends three answers, one every 300 ms.
func (s *speaker) Watch(_ *grpc_health_v1.HealthCheckRequest, stream grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	defer s.enter(stream.Context())()
	for range 3 {
		if err := stream.Send(&grpc_health_v1.HealthCheckResponse{}); err != nil {
			return err
		}
		wall.Sleep(300 * time.Millisecond)
	}
	return nil
}

// speak lets a gRPC server listen behind the limiter.
func (l *limiter) speak() {
	l.t.Helper()
	listener, err := net.Listen("tcp", l.address)
	if err != nil {
		l.t.Fatal(err)
	}
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, &speaker{app: l.app})
	go func() { _ = server.Serve(listener) }()
	l.t.Cleanup(server.Stop)
}

// speaking are the values of an endpoint whose two versions are gRPC servers.
const speaking = "{router: {maxRequestBytes: 1000}, defaultVersion: blue, versions: {" +
	"blue: {image: i, command: [serve], protocol: h2c, maxConcurrentRequests: 2, maxQueueWaitMs: 5000, scoringTimeoutMs: 800}, " +
	"green: {image: i, command: [serve], protocol: h2c, traffic: 50, maxQueueWaitMs: 300}}}"

// caller is a client of the gRPC servers behind a router, with the limiters of
// both versions.
type caller struct {
	t           *testing.T
	health      grpc_health_v1.HealthClient
	blue, green *limiter
}

func newCaller(t *testing.T) *caller {
	t.Helper()
	c := newCluster(t)
	call := &caller{t: t, blue: c.addLimiter("blue", speaking), green: c.addLimiter("green", speaking)}
	for _, l := range []*limiter{call.blue, call.green} {
		l.speak()
		l.waitAlive()
	}
	r := newRouter(t, c, speaking)
	conn, err := grpc.NewClient(strings.TrimPrefix(r.url, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	call.health = grpc_health_v1.NewHealthClient(conn)
	return call
}

// check calls the unary method and tells the code and the version that answered.
func (c *caller) check(service string, pairs ...string) (codes.Code, string) {
	var header, trailer metadata.MD
	ctx := metadata.AppendToOutgoingContext(c.t.Context(), pairs...)
	_, err := c.health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service},
		grpc.Header(&header), grpc.Trailer(&trailer))
	// An answer that is an error alone has no header but a trailer.
	version := append(header.Get("azureml-model-deployment"), trailer.Get("azureml-model-deployment")...)
	return status.Code(err), strings.Join(version, ",")
}

func TestGRPC(t *testing.T) {
	c := newCaller(t)
	key := []string{"authorization", "Bearer " + primary}
	pin := func(version string) []string { return append([]string{"azureml-model-deployment", version}, key...) }
	for name, test := range map[string]struct {
		service string
		pairs   []string
		code    codes.Code
		version string
	}{
		"no key":              {code: codes.Unauthenticated},
		"wrong key":           {pairs: []string{"authorization", "Bearer no"}, code: codes.Unauthenticated},
		"pin":                 {pairs: pin("green"), code: codes.OK, version: "green"},
		"other pin":           {pairs: pin("blue"), code: codes.OK, version: "blue"},
		"unknown pin":         {pairs: pin("red"), code: codes.Unimplemented},
		"the server's error":  {service: "none", pairs: pin("blue"), code: codes.NotFound, version: "blue"},
		"a large message":     {service: strings.Repeat("x", 100_000), pairs: pin("blue"), code: codes.OK, version: "blue"},
		"no answer in time":   {pairs: append(pin("blue"), "x-wait", "2s"), code: codes.Unavailable},
		"longer than another": {pairs: append(pin("green"), "x-wait", "2s"), code: codes.OK, version: "green"},
	} {
		t.Run(name, func(t *testing.T) {
			code, version := c.check(test.service, test.pairs...)
			if code != test.code || version != test.version && test.version != "" {
				t.Errorf("got %v of %q, want %v of %q", code, version, test.code, test.version)
			}
		})
	}
	seen := map[string]int{}
	const n = 400
	for range n {
		code, version := c.check("", key...)
		if code != codes.OK {
			t.Fatalf("got %v", code)
		}
		seen[version]++
	}
	if !within5Sigma(float64(seen["green"])/n*100, 50, n) {
		t.Errorf("the split is %v, not one in two", seen)
	}
}

// A limiter does not read what it refuses. It must not hold up the calls that come
// after: neither those refused while the server is down nor those refused for lack
// of a place.
func TestALargeCallThatIsRefusedHoldsUpNoOther(t *testing.T) {
	c := newCaller(t)
	large := strings.Repeat("x", 100_000)
	pin := func(version string, more ...string) []string {
		return append([]string{"authorization", "Bearer " + primary, "azureml-model-deployment", version}, more...)
	}
	// The limiters may not have seen yet that their servers listen.
	for _, version := range []string{"blue", "green"} {
		if code, by := c.check(large, pin(version)...); code != codes.OK || by != version {
			t.Errorf("a large call got %v of %q, want OK of %q", code, by, version)
		}
	}
	var group sync.WaitGroup
	group.Go(func() { c.check("", pin("green", "x-wait", "2s")...) })
	eventually(t, 10*time.Second, "green has a call", func() bool { return c.green.app.active.Load() == 1 })
	for range 3 {
		if code, _ := c.check(large, pin("green")...); code != codes.Unavailable {
			t.Errorf("without a place a large call got %v, want Unavailable", code)
		}
	}
	group.Wait()
	for range 5 {
		if code, by := c.check(large, pin("green")...); code != codes.OK || by != "green" {
			t.Errorf("afterwards a large call got %v of %q, want OK of green", code, by)
		}
	}
}

func TestGRPCStreams(t *testing.T) {
	c := newCaller(t)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+primary, "azureml-model-deployment", "blue")
	// It takes 900 ms, longer than scoringTimeoutMs, but is never silent for so long.
	stream, err := c.health.Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := stream.Recv(); err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v, want EOF", err)
	}
}

func TestGRPCHasTheLimits(t *testing.T) {
	c := newCaller(t)
	calls := func(n int, version string) map[codes.Code]int {
		var group sync.WaitGroup
		results := make(chan codes.Code, n)
		for range n {
			group.Go(func() {
				code, _ := c.check("", "authorization", "Bearer "+primary, "azureml-model-deployment", version, "x-wait", "400ms")
				results <- code
			})
		}
		group.Wait()
		close(results)
		seen := map[codes.Code]int{}
		for code := range results {
			seen[code]++
		}
		return seen
	}
	if got := calls(8, "blue"); got[codes.OK] != 8 || c.blue.app.most.Load() != 2 {
		t.Errorf("blue answered %v with %d at once, want 8 and 2", got, c.blue.app.most.Load())
	}
	if got := calls(4, "green"); got[codes.OK] != 1 || got[codes.Unavailable] != 3 || c.green.app.most.Load() != 1 {
		t.Errorf("green answered %v with %d at once, want one, and 3 refused after 300 ms", got, c.green.app.most.Load())
	}
}

func TestProbesOfAGRPCServer(t *testing.T) {
	c := newCluster(t)
	l := c.addLimiter("blue", speaking)
	l.waitAlive()
	for _, path := range []string{"/_limiter/started", "/_limiter/ready"} {
		eventually(t, 5*time.Second, path+" is 503 before anything listens", func() bool {
			return l.ask(path, "").status == http.StatusServiceUnavailable
		})
	}
	l.speak()
	for _, path := range []string{"/_limiter/started", "/_limiter/ready"} {
		eventually(t, 5*time.Second, path+" is 200 once it listens", func() bool { return l.ask(path, "").status == http.StatusOK })
	}
}

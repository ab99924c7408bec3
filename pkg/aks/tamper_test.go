// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// foreign is a server that is not Azure's; it keeps what it is asked.
type foreign struct {
	*httptest.Server

	mu   sync.Mutex
	seen []string
}

func newForeign(t *testing.T) *foreign {
	t.Helper()
	f := &foreign{}
	f.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.seen = append(f.seen, r.Method+" "+r.URL.Path+" Authorization: "+r.Header.Get("Authorization"))
		say(w, 200, `{"status":"Succeeded"}`)
	}))
	t.Cleanup(f.Close)
	return f
}

// tampering changes the file of an operation: its own fields, or those of its token.
type tampering struct {
	kind string // create if empty
	file func(map[string]any)
	part func(map[string]any) // the token's inner part
	text func(string) string
	mode os.FileMode
	want string
}

// apply changes the file at path.
func (c tampering) apply(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file, token map[string]any
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	held, _ := file["resumeToken"].(string)
	if err := json.Unmarshal([]byte(held), &token); err != nil {
		t.Fatal(err)
	}
	if c.part != nil {
		c.part(token["token"].(map[string]any))
		changed, _ := json.Marshal(token)
		file["resumeToken"] = string(changed)
	}
	if c.file != nil {
		c.file(file)
	}
	if text, err = json.Marshal(file); err != nil {
		t.Fatal(err)
	}
	if c.text != nil {
		text = []byte(c.text(string(text)))
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if c.mode != 0 {
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
	}
}

// tamperings are those whose file nobody may go on with; elsewhere is the host
// of a server that is not Azure's.
func tamperings(elsewhere string) map[string]tampering {
	set := func(key string, v any) func(map[string]any) { return func(m map[string]any) { m[key] = v } }
	move := func(key string) func(map[string]any) {
		return func(m map[string]any) {
			at, _ := url.Parse(m[key].(string))
			at.Host = elsewhere
			m[key] = at.String()
		}
	}
	const another = "of resumeToken leads to another host than Azure's"
	replace := func(from, to string) func(string) string {
		return func(s string) string { return strings.Replace(s, from, to, 1) }
	}
	return map[string]tampering{
		"asyncURL on another host": {part: move("asyncURL"), want: "asyncURL " + another},
		"origURL on another host":  {part: move("origURL"), want: "origURL " + another},
		"locURL on another host":   {part: set("locURL", "https://"+elsewhere+"/x"), want: "locURL " + another},
		"locURL of a delete on another host": {
			kind: OperationDelete, part: move("locURL"), want: "locURL " + another,
		},
		"an address in other letters": {
			part: func(m map[string]any) { m["ASYNCURL"] = "https://" + elsewhere + "/x" }, want: "ASYNCURL " + another,
		},
		"an address in small letters": {
			part: set("asyncurl", "https://"+elsewhere+"/x"), want: "resumeToken has a part that is not known",
		},
		"asyncURL without a host": {part: set("asyncURL", "/subscriptions/x"), want: "asyncURL " + another},
		"asyncURL with a user": {
			part: func(m map[string]any) {
				m["asyncURL"] = strings.Replace(m["asyncURL"].(string), "https://", "https://me@", 1)
			}, want: "asyncURL " + another,
		},
		"asyncURL without TLS": {
			part: func(m map[string]any) {
				m["asyncURL"] = strings.Replace(m["asyncURL"].(string), "https://", "http://", 1)
			}, want: "asyncURL " + another,
		},
		"asyncURL of another subscription": {
			part: func(m map[string]any) {
				m["asyncURL"] = strings.Replace(m["asyncURL"].(string), subscription, "9"+subscription[1:], 1)
			}, want: "asyncURL of resumeToken leads to another subscription",
		},
		"origURL of another cluster": {
			part: func(m map[string]any) {
				m["origURL"] = strings.Replace(m["origURL"].(string), "/prod", "/other", 1)
			}, want: "origURL of resumeToken is of another cluster",
		},
		"no address": {
			part: func(m map[string]any) { m["asyncURL"], m["origURL"], m["locURL"] = "", "", "" },
			want: "resumeToken has no address",
		},
		"another method":          {part: set("method", "DELETE"), want: "resumeToken is of another kind of request"},
		"an address that is none": {part: set("asyncURL", 1), want: "resumeToken is none"},
		"a token of a delete": {
			file: func(m map[string]any) {
				m["resumeToken"] = strings.Replace(m["resumeToken"].(string), "CreateOrUpdate", "Delete", 1)
			}, want: "resumeToken is of another kind of operation",
		},
		"a token that is none": {file: set("resumeToken", "{}"), want: "resumeToken is none"},
		"another version":      {file: set("version", 2), want: "version 2 is not 1"},
		"another kind":         {file: set("kind", "update"), want: "kind is neither create nor delete"},
		"a create as a delete": {file: set("kind", OperationDelete), want: "resumeToken is of another kind of operation"},
		"another cluster":      {file: set("resourceID", Target{subscription, "ml", "other"}.ID()), want: "resourceID is of another cluster"},
		"no cluster":           {file: set("resourceID", "x"), want: "resourceID is of another cluster"},
		"another endpoint":     {file: set("armEndpoint", "https://"+elsewhere), want: "armEndpoint is another than that in use"},
		"a tag that is none":   {file: set("operationTag", "../x"), want: "operationTag is none"},
		"a hash that is none":  {file: set("requestSHA256", "abc"), want: "requestSHA256 is none"},
		"no time":              {file: set("startedAt", "0001-01-01T00:00:00Z"), want: "startedAt is missing"},
		"a field more":         {file: set("run", "x"), want: "it is no operation: its JSON is cut off or was changed"},
		"a field of another type": {
			file: set("resumeToken", 1), want: "it is no operation: its JSON is cut off or was changed",
		},
		"cut off": {
			text: func(s string) string { return s[:len(s)/2] }, want: "it is no operation: its JSON is cut off or was changed",
		},
		"empty":             {text: func(string) string { return "" }, want: "it is no operation: its JSON is cut off or was changed"},
		"no object":         {text: replace("{", "[{"), want: "it is no operation: its JSON is cut off or was changed"},
		"two of them":       {text: func(s string) string { return s + s }, want: "there is more in it than an operation"},
		"endless":           {text: func(s string) string { return s + strings.Repeat(" ", operationSize) }, want: "it is too large"},
		"writable for all":  {mode: 0o666, want: "others than you may read or write it (mode 0666)"},
		"readable by group": {mode: 0o640, want: "others than you may read or write it (mode 0640)"},
	}
}

func TestATamperedOperationIsRefusedBeforeAnyRequest(t *testing.T) {
	t.Parallel()
	for name, c := range tamperings("") {
		if c.mode != 0 && runtime.GOOS == "windows" {
			continue // which has no such modes
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, m, f := newARM(t), newMachine(t), newForeign(t)
			c := tamperings(strings.TrimPrefix(f.URL, "https://"))[name]
			client := m.client(t, a)
			begin(t, a, client, c.kind)
			path := client.operationPath(target())
			c.apply(t, path)
			a.mu.Lock()
			a.seen = nil
			a.mu.Unlock()
			for what, run := range map[string]func(context.Context, *Client) error{
				"create": func(ctx context.Context, c *Client) error { _, err := createAgain(ctx, c); return err },
				"wait":   func(ctx context.Context, c *Client) error { _, err := waitFor(ctx, c); return err },
				"delete": func(ctx context.Context, c *Client) error { return c.Delete(ctx, target(), true) },
			} {
				want := "the file of the operation on cluster prod in resource group ml is not to be trusted: " + c.want +
					": delete " + path + " and run the command again"
				if err := run(t.Context(), m.client(t, a)); ReasonOf(err) != Failed || err.Error() != want {
					t.Errorf("%s ends with\n%v\nwant\n%s", what, err, want)
				}
			}
			if known, err := client.Operations(); err != nil || len(known) != 0 {
				t.Errorf("the operation is listed: %v, %v", known, err)
			}
			if len(a.seen) != 0 || len(f.seen) != 0 {
				t.Errorf("Azure was asked %v, the other server %v", a.seen, f.seen)
			}
		})
	}
}

// begin has an operation under way, whose file is on the machine of client.
func begin(t *testing.T, a *armServer, client *Client, kind string) {
	t.Helper()
	var err error
	if kind == OperationDelete {
		a.ours(StateSucceeded)
		err = client.Delete(t.Context(), target(), false)
	} else {
		_, err = client.Create(t.Context(), target(), wanted(), false)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What a file may say, and be wrong: it is not taken for another cluster's.
func TestAnOperationOfAnotherRequest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ key, value, want string }{
		"another tag": {
			"operationTag", "00000000-0000-0000-0000-000000000000",
			"exists already (Creating): use kubectl aml compute attach aks, or another name",
		},
		"another hash": {"requestSHA256", strings.Repeat("0", 64), "was asked for with other settings"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, m := newARM(t), newMachine(t)
			a.states = []string{"Creating", "Creating", "Creating", "Succeeded"}
			client := m.client(t, a)
			begin(t, a, client, OperationCreate)
			tampering{file: func(m map[string]any) { m[c.key] = c.value }}.apply(t, client.operationPath(target()))
			_, err := createAgain(t.Context(), m.client(t, a))
			if ReasonOf(err) != Conflict || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
			if a.count("PUT cluster") != 1 || a.count("GET operation") != 0 {
				t.Errorf("Azure was asked %v", a.seen)
			}
		})
	}
}

// An answer of Azure itself that leads elsewhere is not followed either.
func TestAnAddressElsewhereIsNotAsked(t *testing.T) {
	t.Parallel()
	a, m, f := newARM(t), newMachine(t), newForeign(t)
	a.answer("PUT cluster", func(w http.ResponseWriter, r *http.Request) {
		a.usual(httptest.NewRecorder(), r)
		w.Header().Set("Azure-AsyncOperation", f.URL+"/operations/op")
		w.Header().Set("Location", f.URL+"/operationresults/op")
		say(w, 201, `{"properties":{"provisioningState":"Creating"}}`)
	})
	a.states = []string{"Creating", "Succeeded"}
	got, err := m.client(t, a).Create(t.Context(), target(), wanted(), true)
	if err != nil || got.State != StateSucceeded {
		t.Errorf("got %s, %v", got.State, err)
	}
	if len(f.seen) != 0 {
		t.Errorf("the other server was asked %v", f.seen)
	}
}

func TestAnOperationIsForNobodyElsesEyes(t *testing.T) {
	t.Parallel()
	a, m := newARM(t), newMachine(t)
	client := m.client(t, a)
	begin(t, a, client, OperationCreate)
	path := client.operationPath(target())
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v", info.Mode())
	}
	o, _, err := client.Operation(target())
	if err != nil || o.resumeToken == "" {
		t.Fatalf("no token is kept: %v", err)
	}
	if text, err := json.Marshal(o); err != nil || strings.Contains(string(text), "secret") {
		t.Errorf("the token is shown: %s, %v", text, err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "new-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

func FuzzOperation(f *testing.F) {
	const endpoint, token = "https://management.azure.com", `{"type":"ManagedClustersClientCreateOrUpdateResponse",` +
		`"token":{"asyncURL":"https://management.azure.com/subscriptions/` + subscription + `/x","locURL":"",` +
		`"origURL":"https://management.azure.com/subscriptions/` + subscription + `/resourceGroups/ml/providers/` +
		managedClusters + `/prod?api-version=1","method":"PUT","finalState":"","state":"InProgress"}}`
	write := func(token string) string {
		text, err := json.Marshal(file{Operation{
			Version: operationVersion, Kind: OperationCreate, ResourceID: target().ID(), ARMEndpoint: endpoint,
			Tag: "00000000-0000-0000-0000-000000000000", RequestSHA256: strings.Repeat("0", 64),
		}, token})
		if err != nil {
			f.Fatal(err)
		}
		return strings.Replace(string(text), "0001-", "2026-", 1)
	}
	f.Add(write(token))
	f.Add(write(strings.ReplaceAll(token, "azure.com", "azure.com:443")))
	f.Add(write(strings.Replace(token, "azure.com", "azure.com@elsewhere.example", 1)))
	f.Add(write(strings.Replace(token, "azure.com", `azure.com\\@elsewhere.example`, 1)))
	f.Add(write(strings.Replace(token, `"locURL":""`, `"LocURL":"//elsewhere.example/x"`, 1)))
	f.Add(write(strings.Replace(token, `"type"`, `"type":"x","type"`, 1)))
	f.Add(write(""))
	f.Add(`{"version":1`)
	f.Fuzz(func(t *testing.T, text string) {
		o, err := parseOperation([]byte(text))
		if err != nil || o.check(target(), endpoint) != nil || o.resumeToken == "" {
			return
		}
		// What is taken leads to Azure alone, however azcore reads it.
		var held struct{ Token map[string]any }
		if err := json.Unmarshal([]byte(o.resumeToken), &held); err != nil {
			t.Fatal(err)
		}
		for key, v := range held.Token {
			address, _ := v.(string)
			if !strings.HasSuffix(strings.ToLower(key), "url") || address == "" {
				continue
			}
			r, err := http.NewRequest(http.MethodGet, address, nil)
			if err != nil || r.URL.Scheme != "https" || !strings.EqualFold(r.URL.Hostname(), "management.azure.com") ||
				r.URL.User != nil || r.URL.Port() != "" && r.URL.Port() != "443" {
				t.Errorf("%s leads to %q", key, address)
			}
		}
	})
}

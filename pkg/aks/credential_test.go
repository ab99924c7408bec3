// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// signedInBy is a client that signs in by azidentity's credential of that name,
// or by those of a group of them. It reads the process's environment.
func signedInBy(t *testing.T, m machine, a *armServer, name string) (*Client, error) {
	t.Helper()
	t.Setenv("AZURE_TOKEN_CREDENTIALS", name)
	t.Setenv("PATH", t.TempDir()) // no az, azd or pwsh
	c, err := CloudNamed("", a.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Client{Transport: guarded{a.Client().Transport}}
	credential, err := Credential(os.Getenv, c, transport)
	if err != nil {
		return nil, err
	}
	return m.client(t, a, func(o *Options) { o.Credential = credential }), nil
}

// identity answers as the endpoint of a managed identity.
func identity(t *testing.T, status int, body string) {
	t.Helper()
	s := httptest.NewServer(says(status, body))
	t.Cleanup(s.Close)
	t.Setenv("IDENTITY_ENDPOINT", s.URL+"/msi/token")
	t.Setenv("IDENTITY_HEADER", "x")
}

const nextToSignIn = ": run az login, or set AZURE_TOKEN_CREDENTIALS to the one to use"

func TestNobodyIsSignedIn(t *testing.T) {
	for name, c := range map[string]struct {
		selected string
		prepare  func(t *testing.T)
		message  string // a format of the whole one: parts that the system words are *
	}{
		"no Azure CLI": {
			selected: "AzureCLICredential",
			message: "not signed in to Azure: DefaultAzureCredential with AZURE_TOKEN_CREDENTIALS=AzureCLICredential tried " +
				"AzureCLICredential (*)" + nextToSignIn,
		},
		"none of the tools for people": {
			selected: "dev",
			message: "not signed in to Azure: DefaultAzureCredential with AZURE_TOKEN_CREDENTIALS=dev tried " +
				"AzureCLICredential (*); AzureDeveloperCLICredential (*); AzurePowerShellCredential (*)" + nextToSignIn,
		},
		"the identity is refused": {
			selected: "ManagedIdentityCredential",
			prepare: func(t *testing.T) {
				t.Helper()
				identity(t, 400, `{"error":"invalid_request","error_description":"AADSTS7000: no such identity\nTrace ID: 1"}`)
			},
			message: "not signed in to Azure: DefaultAzureCredential with " +
				"AZURE_TOKEN_CREDENTIALS=ManagedIdentityCredential tried " +
				"ManagedIdentityCredential (AADSTS7000: no such identity)" + nextToSignIn,
		},
		"a credential that is none": {
			selected: "Magic",
			message:  "cannot sign in to Azure with DefaultAzureCredential with AZURE_TOKEN_CREDENTIALS=Magic: *",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, m := newARM(t), newMachine(t)
			if c.prepare != nil {
				c.prepare(t)
			}
			client, err := signedInBy(t, m, a, c.selected)
			if err == nil {
				_, err = client.Create(t.Context(), target(), wanted(), true)
			}
			if ReasonOf(err) != Denied || !worded(err.Error(), c.message) {
				t.Errorf("got %s\n%v\nwant\n%s", ReasonOf(err), err, c.message)
			}
			if len(a.seen) != 0 {
				t.Errorf("Azure was asked %v", a.seen)
			}
		})
	}
}

// worded tells whether text is one line like format, in which * is anything.
func worded(text, format string) bool {
	if strings.Contains(text, "\n") {
		return false
	}
	parts := strings.Split(format, "*")
	rest, found := strings.CutPrefix(text, parts[0])
	for _, part := range parts[1:] {
		if !found {
			return false
		}
		if part == "" {
			rest = ""
			continue
		}
		_, rest, found = strings.Cut(rest, part)
	}
	return found && rest == ""
}

func TestATokenIsNotTaken(t *testing.T) {
	identity(t, 200, `{"access_token":"t","expires_on":"4102444800","resource":"x","token_type":"Bearer"}`)
	a, m := newARM(t), newMachine(t)
	client, err := signedInBy(t, m, a, "ManagedIdentityCredential")
	if err != nil {
		t.Fatal(err)
	}
	expired := says(401, `{"error":{"code":"ExpiredAuthenticationToken","message":"The access token expired."}}`,
		"WWW-Authenticate", challenged)
	const refused = "cluster prod in resource group ml: The access token expired (ExpiredAuthenticationToken): the token " +
		"of DefaultAzureCredential with AZURE_TOKEN_CREDENTIALS=ManagedIdentityCredential was not taken: " +
		"sign in again, such as with az login"
	for _, k := range []string{"GET cluster", "PUT cluster"} {
		a.answer(k, expired, expired)
		_, err = client.Create(t.Context(), target(), wanted(), true)
		if ReasonOf(err) != Denied || err.Error() != refused {
			t.Errorf("%s ends with %s\n%v", k, ReasonOf(err), err)
		}
		a.mu.Lock()
		a.answers = map[string][]http.HandlerFunc{}
		a.mu.Unlock()
	}
	a.answer("GET operation", expired, expired)
	_, err = client.Create(t.Context(), target(), wanted(), true)
	want := refused + ", then wait for it with kubectl aml compute wait -n prod: Azure goes on with it"
	if ReasonOf(err) != Denied || err.Error() != want {
		t.Errorf("a poll ends with %s\n%v", ReasonOf(err), err)
	}
	a.mu.Lock()
	a.answers = map[string][]http.HandlerFunc{}
	a.mu.Unlock()
	if got, err := client.Wait(t.Context(), target()); err != nil || got.State != StateSucceeded {
		t.Errorf("after signing in again: %s, %v", got.State, err)
	}
}

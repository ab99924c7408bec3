// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// check refuses an operation that is not one on t at endpoint. A resume token
// says where the token of whoever is signed in goes: one that was changed would
// give it away.
func (o Operation) check(t Target, endpoint string) error {
	target, err := ParseTarget(o.ResourceID)
	switch {
	case o.Version != operationVersion:
		return fmt.Errorf("version %d is not %d", o.Version, operationVersion)
	case o.Kind != OperationCreate && o.Kind != OperationDelete:
		return errors.New("kind is neither create nor delete")
	case err != nil || !target.Same(t):
		return errors.New("resourceID is of another cluster")
	case !strings.EqualFold(o.ARMEndpoint, endpoint):
		return errors.New("armEndpoint is another than that in use")
	case o.Kind == OperationCreate && !regexp.MustCompile(`^[0-9a-f-]{36}$`).MatchString(o.Tag):
		return errors.New("operationTag is none")
	case o.Kind == OperationCreate && !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(o.RequestSHA256):
		return errors.New("requestSHA256 is none")
	case o.StartedAt.IsZero():
		return errors.New("startedAt is missing")
	case o.resumeToken == "":
		return nil
	}
	return checkToken(o.resumeToken, o.Kind, t, endpoint)
}

// checkToken refuses a resume token of another operation, or with an address
// that is not the endpoint's.
func checkToken(token, kind string, t Target, endpoint string) error {
	// Into maps, as azcore does: a structure would take a key in any case.
	var outer map[string]json.RawMessage
	var name string
	var inner map[string]any
	if json.Unmarshal([]byte(token), &outer) != nil || len(outer) != 2 ||
		json.Unmarshal(outer["type"], &name) != nil || json.Unmarshal(outer["token"], &inner) != nil {
		return errors.New("resumeToken is none")
	}
	want, method := "ManagedClustersClientCreateOrUpdateResponse", http.MethodPut
	if kind == OperationDelete {
		want, method = "ManagedClustersClientDeleteResponse", http.MethodDelete
	}
	if name != want {
		return errors.New("resumeToken is of another kind of operation")
	}
	home, err := url.Parse(endpoint)
	if err != nil {
		return err
	}
	addresses := 0
	for key, v := range inner {
		text, ok := v.(string)
		switch {
		case !ok:
			return errors.New("resumeToken is none")
		case strings.HasSuffix(key, "URL"):
			if text == "" {
				continue
			}
			addresses++
			if err := checkAddress(text, key, home, t); err != nil {
				return err
			}
		case key == "method" && text != method:
			return errors.New("resumeToken is of another kind of request")
		case key != "method" && key != "type" && key != "finalState" && key != "state" && key != "resultPath":
			return errors.New("resumeToken has a part that is not known")
		}
	}
	if addresses == 0 {
		return errors.New("resumeToken has no address")
	}
	return nil
}

// checkAddress refuses an address that is not at home, or not about what t is
// in. It does not repeat it.
func checkAddress(address, key string, home *url.URL, t Target) error {
	at, err := url.Parse(address)
	if err != nil || at.Opaque != "" || at.User != nil ||
		!strings.EqualFold(at.Scheme, home.Scheme) || !strings.EqualFold(host(at), host(home)) {
		return errors.New(key + " of resumeToken leads to another host than Azure's")
	}
	path := strings.ToLower(at.Path)
	if !strings.HasPrefix(path, strings.ToLower(home.Path+"/subscriptions/"+t.Subscription+"/")) {
		return errors.New(key + " of resumeToken leads to another subscription")
	}
	if key == "origURL" && path != strings.ToLower(home.Path+t.ID()) {
		return errors.New(key + " of resumeToken is of another cluster")
	}
	return nil
}

// host is the host of an address with its port, said or not.
func host(at *url.URL) string {
	if at.Port() != "" {
		return at.Host
	}
	return at.Host + map[string]string{"http": ":80", "https": ":443"}[strings.ToLower(at.Scheme)]
}

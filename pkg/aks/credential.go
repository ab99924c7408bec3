// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package aks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// Credential signs in as Azure's default credential does: from the environment,
// a workload's or a managed identity, the Azure CLI, and so on;
// AZURE_TOKEN_CREDENTIALS of the process selects. It signs in at the first
// request, not here. transport is nil for azcore's own. tenants are those that a
// token may be asked for, beside the one that is signed in to.
func Credential(
	getenv func(string) string, c cloud.Configuration, transport policy.Transporter, tenants ...string,
) (azcore.TokenCredential, error) {
	name := "DefaultAzureCredential"
	if selected := getenv("AZURE_TOKEN_CREDENTIALS"); selected != "" {
		name += " with AZURE_TOKEN_CREDENTIALS=" + selected
	}
	inner, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
		ClientOptions:              policy.ClientOptions{Cloud: c, Transport: transport},
		AdditionallyAllowedTenants: tenants,
	})
	if err != nil {
		return nil, fail(Denied, err, "cannot sign in to Azure with %s: %s", name, err)
	}
	return &credential{inner, name}, nil
}

// credential is one whose errors are told from those of other requests.
type credential struct {
	azcore.TokenCredential
	name string
}

// GetToken implements azcore.TokenCredential.
func (c *credential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := c.TokenCredential.GetToken(ctx, o)
	if err != nil && ctx.Err() == nil {
		err = &signInError{c.name, err}
	}
	return token, err
}

// tried names what c signs in with.
func tried(c azcore.TokenCredential) string {
	if named, ok := c.(*credential); ok {
		return named.name
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", c), "*")
}

// signInError is for a token that could not be had.
type signInError struct {
	name  string
	cause error
}

// NonRetriable keeps azcore from asking again: the answer would be the same.
func (*signInError) NonRetriable() {}

func (e *signInError) Unwrap() error { return e.cause }

// Error names each credential that was tried, and why it gave no token.
func (e *signInError) Error() string {
	return "not signed in to Azure: " + e.name + " tried " + strings.Join(attempts(e.cause), "; ") +
		": run az login, or set AZURE_TOKEN_CREDENTIALS to the one to use"
}

// attempts reads the credentials that were tried out of azidentity's text, one
// line each and indented; the dumps of answers that are below some are left out.
func attempts(err error) []string {
	var found []string
	for line := range strings.Lines(err.Error()) {
		m := regexp.MustCompile(`^\t?(\w+Credential)(?:: | authentication failed\. ?)(.*)$`).
			FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil || m[1] == "DefaultAzureCredential" {
			continue
		}
		why, _, _ := strings.Cut(fold(m[2]), ". To troubleshoot")
		if why = strings.TrimRight(why, "."); why == "" {
			why = refusal(err)
		}
		found = append(found, m[1]+" ("+cut(why, 160)+")")
	}
	if len(found) == 0 {
		return []string{"and failed (" + cut(fold(err.Error()), 300) + ")"}
	}
	return slices.Compact(found)
}

// refusal is what Entra ID or an identity's endpoint answered.
func refusal(err error) string {
	failed := (*azidentity.AuthenticationFailedError)(nil)
	if !errors.As(err, &failed) || failed.RawResponse == nil {
		return "refused"
	}
	var body struct {
		Description string `json:"error_description"`
		Error       any    `json:"error"`
	}
	if text, err := runtime.Payload(failed.RawResponse); err == nil && json.Unmarshal(text, &body) == nil {
		if first, _, _ := strings.Cut(body.Description, "\n"); first != "" {
			return fold(first)
		}
		if code, ok := body.Error.(string); ok {
			return code
		}
	}
	return "refused with status " + failed.RawResponse.Status
}

// cut is text of at most n bytes.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}

// SignedOut tells whether an error is of somebody who is not signed in.
func SignedOut(err error) bool {
	var sign *signInError
	return errors.As(err, &sign)
}

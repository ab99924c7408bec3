// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package acr

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/containers/azcontainerregistry"
	"github.com/google/go-containerregistry/pkg/authn"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
)

// KeychainOptions say how a registry is signed in to.
type KeychainOptions struct {
	// Transport sends the token to the registry; nil for azcore's own.
	Transport policy.Transporter
	Clock     clock.PassiveClock
	// Tell gets a line for people about each registry that could not be signed in
	// to; nil is nobody.
	Tell func(line string)
}

const (
	// scope is that of tokens for registries, in every cloud. One for the resource
	// manager is refused by registries with the policy "authentication as ARM" off.
	scope = "https://containerregistry.azure.net/.default"
	// nobody is the user name that goes with a refresh token.
	nobody = "00000000-0000-0000-0000-000000000000"
	// early is how long before its end a token is not used any more, unread how long
	// one is kept that does not say when it ends, and refused how long a registry is
	// not asked again after it could not be signed in to.
	early, unread, refused = 5 * time.Minute, 10 * time.Minute, time.Minute
)

// Keychain signs in to Azure's container registries with cred: the registry
// changes a token of Entra ID for one of its own, which is kept until it ends. It
// has nothing for any other host, and asks nobody before a request needs a login.
//
// It is meant to come after Docker's configuration in authn.NewMultiKeychain,
// which goes before it. Who cannot be signed in goes on as nobody, since a
// registry may be public; Tell has the reason before the registry's refusal.
func Keychain(cred azcore.TokenCredential, o KeychainOptions) authn.Keychain {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Tell == nil {
		o.Tell = func(string) {}
	}
	return &keychain{cred: cred, o: o, logins: map[string]*login{}}
}

type keychain struct {
	cred azcore.TokenCredential
	o    KeychainOptions

	mu     sync.Mutex
	logins map[string]*login
}

// Resolve implements authn.Keychain.
func (k *keychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	host := strings.ToLower(r.RegistryStr())
	if !Server(host) {
		return authn.Anonymous, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.logins[host] == nil {
		k.logins[host] = &login{host: host, cred: k.cred, o: k.o}
	}
	return k.logins[host], nil
}

// login is one registry's.
type login struct {
	host string
	cred azcore.TokenCredential
	o    KeychainOptions

	mu      sync.Mutex
	refresh string
	until   time.Time // of refresh, or of err
	err     error
}

// Authorization implements authn.Authenticator for clients that pass no context.
func (l *login) Authorization() (*authn.AuthConfig, error) {
	return nil, errors.New("signing in to " + l.host + " needs a context")
}

// AuthorizationContext implements authn.ContextAuthenticator.
func (l *login) AuthorizationContext(ctx context.Context) (*authn.AuthConfig, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.o.Clock.Now(); !now.Before(l.until) {
		l.refresh, l.err = l.signIn(ctx)
		switch {
		case ctx.Err() != nil:
			l.err = nil
			return nil, ctx.Err()
		case l.err != nil:
			l.until = now.Add(refused)
			l.o.Tell(l.err.Error())
		default:
			l.until = ends(l.refresh, now)
		}
	}
	if l.err != nil {
		return &authn.AuthConfig{}, nil
	}
	return &authn.AuthConfig{Username: nobody, Password: l.refresh}, nil
}

// signIn changes a token of Entra ID for the registry's refresh token.
func (l *login) signIn(ctx context.Context) (string, error) {
	token, err := l.cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
	if err != nil {
		return "", fmt.Errorf("no login for %s: %s, or docker login %s", l.host, fold(err.Error()), l.host)
	}
	client, err := azcontainerregistry.NewAuthenticationClient("https://"+l.host,
		&azcontainerregistry.AuthenticationClientOptions{ClientOptions: policy.ClientOptions{
			Transport: l.o.Transport,
			Telemetry: policy.TelemetryOptions{ApplicationID: "kubectl-aml"},
			Retry:     policy.RetryOptions{MaxRetryDelay: 10 * time.Second},
		}})
	if err != nil {
		return "", err
	}
	answer, err := client.ExchangeAADAccessTokenForACRRefreshToken(ctx,
		azcontainerregistry.PostContentSchemaGrantTypeAccessToken, l.host,
		&azcontainerregistry.AuthenticationClientExchangeAADAccessTokenForACRRefreshTokenOptions{
			AccessToken: ptr.To(token.Token)})
	if err == nil && value(answer.RefreshToken) == "" {
		err = errors.New("its answer has no token")
	}
	if err != nil {
		return "", fmt.Errorf("no login for %s: it did not take the one of Azure (%s): ask for the role AcrPull or AcrPush "+
			"on it, or run docker login %s", l.host, exchangeFailed(err), l.host)
	}
	return *answer.RefreshToken, nil
}

// exchangeFailed is what a registry answered, in a few words: azcore's own text
// is many lines.
func exchangeFailed(err error) string {
	response := (*azcore.ResponseError)(nil)
	if !errors.As(err, &response) {
		return unreachable(err)
	}
	if response.ErrorCode != "" {
		return fmt.Sprintf("%d %s", response.StatusCode, response.ErrorCode)
	}
	return fmt.Sprint(response.StatusCode)
}

// ends is when a refresh token is to be changed for another. It is a JWT; only
// the registry can check it, and only it is shown to.
func ends(token string, now time.Time) time.Time {
	var claims struct {
		Expires int64 `json:"exp"`
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return now.Add(unread)
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil || json.Unmarshal(text, &claims) != nil || claims.Expires == 0 {
		return now.Add(unread)
	}
	return time.Unix(claims.Expires, 0).Add(-early)
}

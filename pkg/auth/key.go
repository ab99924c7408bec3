// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

// Package auth keeps the two keys of an endpoint in a Secret.
//
// The keys are in nothing else: not in the values of a release, not in an
// error, not in a line of a log.
package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

const (
	keyLength    = 32
	maxKeyLength = 1024
	alphabet     = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	redacted     = "REDACTED"
)

// Key is one of the two keys callers authenticate with. It prints, logs and
// marshals as REDACTED, also from inside of other values; only Reveal gives the
// key itself. The zero Key is no key.
type Key struct {
	// A pointer: fmt does not call the methods of what is in an unexported
	// field, but of a pointer there it prints no more than the address.
	secret *string
}

// NewKey holds the text as a key, unchecked: see Keys.Validate. An empty text
// makes the zero Key.
func NewKey(text string) Key {
	if text == "" {
		return Key{}
	}
	return Key{secret: &text}
}

// RandomKey returns a key of 32 letters and digits (190 bits) from the
// system's source of randomness.
func RandomKey() Key {
	// Bytes from the last, incomplete run of the alphabet are thrown away, so
	// that no character is likelier than another.
	const limit = byte(256 / len(alphabet) * len(alphabet))
	text := make([]byte, 0, keyLength)
	pool := make([]byte, 2*keyLength)
	for len(text) < keyLength {
		// Since Go 1.24 this never fails: without randomness the program ends.
		_, _ = rand.Read(pool)
		for _, b := range pool {
			if b < limit && len(text) < keyLength {
				text = append(text, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return NewKey(string(text))
}

// Reveal returns the key itself, empty for the zero Key.
func (k Key) Reveal() string {
	if k.secret == nil {
		return ""
	}
	return *k.secret
}

// IsZero tells whether there is no key.
func (k Key) IsZero() bool { return k.secret == nil }

// Equal compares two keys in a time that does not depend on where they differ.
func (k Key) Equal(other Key) bool {
	return subtle.ConstantTimeCompare([]byte(k.Reveal()), []byte(other.Reveal())) == 1
}

// String returns REDACTED, or nothing for the zero Key.
func (k Key) String() string {
	if k.IsZero() {
		return ""
	}
	return redacted
}

// Format writes what String returns, whatever the verb.
func (k Key) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, k.String()) }

// MarshalText returns what String returns; encoders of JSON and YAML use it.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// LogValue logs what String returns.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// Keys are the two keys of an endpoint. Either lets a caller in, so that one
// can be changed while callers use the other.
type Keys struct {
	Primary   Key `json:"primaryKey"`
	Secondary Key `json:"secondaryKey"`
}

// Validate refuses, all findings at once, keys that cannot be sent in an
// Authorization header: the empty key, keys of more than 1024 characters, and
// keys with other characters than letters, digits and - . _ ~ + / = (RFC 6750).
// The errors do not tell the key.
func (k Keys) Validate() error {
	return errors.Join(k.Primary.validate("primaryKey"), k.Secondary.validate("secondaryKey"))
}

// ValidateGiven is Validate for those of the keys that are given.
func (k Keys) ValidateGiven() error { return k.orRandom().Validate() }

func (k Key) validate(field string) error {
	text := k.Reveal()
	switch {
	case text == "":
		return fmt.Errorf("%s is empty: give a key or leave the field out to have one made", field)
	case len(text) > maxKeyLength:
		return fmt.Errorf("%s has %d characters: a key may have at most %d", field, len(text), maxKeyLength)
	}
	for i, r := range text {
		if !strings.ContainsRune(alphabet+"-._~+/=", r) {
			return fmt.Errorf("%s cannot be sent in a header because of its character %d: "+
				"write letters, digits and - . _ ~ + / = only", field, i+1)
		}
	}
	return nil
}

// orRandom fills in the keys that are not given.
func (k Keys) orRandom() Keys {
	if k.Primary.IsZero() {
		k.Primary = RandomKey()
	}
	if k.Secondary.IsZero() {
		k.Secondary = RandomKey()
	}
	return k
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package auth

import (
	"context"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"
)

// Which names one of the two keys, as Azure ML spells it.
type Which string

// The two keys of an endpoint.
const (
	Primary   Which = "Primary"
	Secondary Which = "Secondary"
)

// ParseWhich reads the name of a key, in upper or lower case.
func ParseWhich(text string) (Which, error) {
	for _, which := range []Which{Primary, Secondary} {
		if strings.EqualFold(text, string(which)) {
			return which, nil
		}
	}
	return "", fmt.Errorf("key %q is not known: write Primary or Secondary", text)
}

// Get returns one of the keys.
func (k Keys) Get(which Which) Key {
	if which == Secondary {
		return k.Secondary
	}
	return k.Primary
}

// with returns the keys with one of them changed.
func (k Keys) with(which Which, key Key) Keys {
	if which == Secondary {
		k.Secondary = key
	} else {
		k.Primary = key
	}
	return k
}

// RegenerateOptions say which key is changed, where.
type RegenerateOptions struct {
	Namespace, Endpoint string
	// Secret is the name of the one with the keys.
	Secret string
	// Slot is the text of the chart's files/auth-key.yaml.
	Slot  string
	Which Which
	// Key is the new key; one is made at random if it is zero.
	Key Key
}

// Regenerated tells what Regenerate did.
type Regenerated struct {
	// Keys are those in the Secret now.
	Keys Keys
	// Old is the key that was replaced; zero if there was none, or if it is still
	// good because the other key, or the new one, is the same.
	Old Key
}

// Regenerate changes one of the two keys in the Secret, together with the
// router's auth slot: never one without the other, so a process that dies leaves
// either the old keys or the new ones. The other key stays as it is, also when
// several keys are changed at once: each starts from what the others left.
// It does not wait for the routers.
//
// It is not done under the endpoint's Lease: a key that leaked must not wait
// until a deployment is through.
//
// It refuses a key that Keys.Validate refuses, and a Secret that is not the
// endpoint's: who made that one would set it back. The error wraps ErrNotFound
// if there is no Secret.
func Regenerate(ctx context.Context, client kubernetes.Interface, o RegenerateOptions) (Regenerated, error) {
	if o.Key.IsZero() {
		o.Key = RandomKey()
	}
	var done Regenerated
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		secret, err := client.CoreV1().Secrets(o.Namespace).Get(ctx, o.Secret, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		if done, err = replace(secret, o); err != nil {
			return err
		}
		_, err = client.CoreV1().Secrets(o.Namespace).Update(ctx, secret, metav1.UpdateOptions{FieldManager: plugin})
		return err
	})
	if err != nil {
		return Regenerated{}, fmt.Errorf("regenerate the %s key in secret %s/%s: %w",
			strings.ToLower(string(o.Which)), o.Namespace, o.Secret, err)
	}
	return done, nil
}

// replace puts the new key into secret.
func replace(secret *corev1.Secret, o RegenerateOptions) (Regenerated, error) {
	if !ours(secret, o.Endpoint) {
		return Regenerated{}, fmt.Errorf("it is not this endpoint's: change the key where the secret is made, "+
			"or label it %s=%s,%s=%s", nameLabel, inference, instanceLabel, o.Endpoint)
	}
	have := keysOf(secret)
	done := Regenerated{Keys: have.with(o.Which, o.Key).orRandom(), Old: have.Get(o.Which)}
	slot, err := RenderSlot(o.Slot, done.Keys)
	if err != nil {
		return Regenerated{}, err
	}
	if done.Old.Equal(done.Keys.Primary) || done.Old.Equal(done.Keys.Secondary) {
		done.Old = Key{}
	}
	secret.Data = maps.Clone(secret.Data)
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	secret.Data[PrimaryField] = []byte(done.Keys.Primary.Reveal())
	secret.Data[SecondaryField] = []byte(done.Keys.Secondary.Reveal())
	secret.Data[SlotField] = []byte(slot)
	return done, nil
}

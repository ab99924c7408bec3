// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package auth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/util/retry"
)

// The data of a Secret with keys, as the chart reads it too.
const (
	PrimaryField   = "primaryKey"
	SecondaryField = "secondaryKey"
	SlotField      = "ecds.yaml"
)

const (
	nameLabel      = "app.kubernetes.io/name"
	instanceLabel  = "app.kubernetes.io/instance"
	managedByLabel = "app.kubernetes.io/managed-by"
	inference      = "inference"
	plugin         = "kubectl-aml"
)

// ErrNotFound says that there is no Secret with keys.
var ErrNotFound = errors.New("no such secret")

// Options say which Secret is wanted.
type Options struct {
	Namespace, Endpoint string
	// Slot is the text of the chart's files/auth-key.yaml.
	Slot string
	// Keys are used if the Secret has to be made; those not given are made at
	// random.
	Keys Keys
}

// Ensured tells what Ensure found or did.
type Ensured struct {
	// Name is the Secret's.
	Name string
	// Created says that the Secret was made, Repaired that something missing
	// was added to one that was there.
	Created, Repaired bool
	// KeysDiffer says that other keys were asked for than the Secret has: the
	// Secret's stay in force until they are regenerated.
	KeysDiffer bool
}

// SecretName is the name of the Secret with an endpoint's keys.
func SecretName(endpoint string) string { return endpoint + "-keys" }

// Ensure sees to it that the endpoint has its Secret: two keys and the router's
// auth slot made of them. Keys that are there are never changed; a missing key
// or a slot that is missing or does not hold the keys is added. When several
// run at once, all end up with the same keys.
//
// It refuses given keys that Keys.Validate refuses, and to repair a Secret that
// is not the endpoint's.
func Ensure(ctx context.Context, client kubernetes.Interface, o Options) (Ensured, error) {
	keys := o.Keys.orRandom()
	slot, err := RenderSlot(o.Slot, keys)
	if err != nil {
		return Ensured{}, err
	}
	var done Ensured
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		done, err = ensure(ctx, client.CoreV1().Secrets(o.Namespace), o, keys, slot)
		return err
	})
	if err != nil {
		return Ensured{}, fmt.Errorf("ensure the keys in secret %s/%s: %w", o.Namespace, SecretName(o.Endpoint), err)
	}
	return done, nil
}

// ensure tries once: it makes the Secret, or repairs the one that is there.
func ensure(
	ctx context.Context, secrets typedcorev1.SecretInterface, o Options, keys Keys, slot string,
) (Ensured, error) {
	done := Ensured{Name: SecretName(o.Endpoint)}
	found, err := secrets.Get(ctx, done.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = secrets.Create(ctx, newSecret(o, keys, slot), metav1.CreateOptions{})
		if err == nil {
			done.Created = true
			return done, nil
		}
		if apierrors.IsAlreadyExists(err) {
			found, err = secrets.Get(ctx, done.Name, metav1.GetOptions{})
		}
	}
	if err != nil {
		return Ensured{}, err
	}
	done.Repaired, err = repair(found, o, keys)
	if err != nil {
		return Ensured{}, err
	}
	done.KeysDiffer = differ(o.Keys, keysOf(found))
	if done.Repaired {
		_, err = secrets.Update(ctx, found, metav1.UpdateOptions{})
	}
	return done, err
}

// Read returns the keys in a Secret, which need not be one that Ensure made.
// The error wraps ErrNotFound if there is none, and says so if a key is missing.
func Read(ctx context.Context, client kubernetes.Interface, namespace, name string) (Keys, error) {
	secret, err := client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return Keys{}, fmt.Errorf("read the keys in secret %s/%s: %w", namespace, name, ErrNotFound)
	}
	if err != nil {
		return Keys{}, fmt.Errorf("read the keys in secret %s/%s: %w", namespace, name, err)
	}
	keys := keysOf(secret)
	if keys.Primary.IsZero() || keys.Secondary.IsZero() {
		return Keys{}, fmt.Errorf("secret %s/%s lacks a key: it needs %s and %s",
			namespace, name, PrimaryField, SecondaryField)
	}
	return keys, nil
}

// Delete removes the endpoint's Secret if it was Ensure that made it, and does
// nothing if there is none or it was made by others, such as the chart.
func Delete(ctx context.Context, client kubernetes.Interface, namespace, endpoint string) error {
	name := SecretName(endpoint)
	secrets := client.CoreV1().Secrets(namespace)
	secret, err := secrets.Get(ctx, name, metav1.GetOptions{})
	if err == nil {
		if !ours(secret, endpoint) || secret.Labels[managedByLabel] != plugin {
			return nil
		}
		err = secrets.Delete(ctx, name, metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{UID: &secret.UID, ResourceVersion: &secret.ResourceVersion},
		})
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete secret %s/%s: %w", namespace, name, err)
	}
	return nil
}

func newSecret(o Options, keys Keys, slot string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:      SecretName(o.Endpoint),
			Namespace: o.Namespace,
			Labels:    map[string]string{nameLabel: inference, instanceLabel: o.Endpoint, managedByLabel: plugin},
		},
		Type: corev1.SecretTypeOpaque,
		Data: map[string][]byte{
			PrimaryField:   []byte(keys.Primary.Reveal()),
			SecondaryField: []byte(keys.Secondary.Reveal()),
			SlotField:      []byte(slot),
		},
	}
}

// repair adds to the Secret what is missing and tells whether anything was.
func repair(secret *corev1.Secret, o Options, fresh Keys) (bool, error) {
	have := keysOf(secret)
	slot := string(secret.Data[SlotField])
	// A slot that does not hold the keys is one that somebody forgot when
	// changing them: it would let in a key that is no longer there.
	if !have.Primary.IsZero() && !have.Secondary.IsZero() &&
		strings.Contains(slot, have.Primary.Reveal()) && strings.Contains(slot, have.Secondary.Reveal()) {
		return false, nil
	}
	if !ours(secret, o.Endpoint) {
		return false, fmt.Errorf("it is incomplete and not this endpoint's: "+
			"delete it, or label it %s=%s,%s=%s", nameLabel, inference, instanceLabel, o.Endpoint)
	}
	if have.Primary.IsZero() {
		have.Primary = fresh.Primary
	}
	if have.Secondary.IsZero() {
		have.Secondary = fresh.Secondary
	}
	slot, err := RenderSlot(o.Slot, have)
	if err != nil {
		return false, err
	}
	secret.Data = maps.Clone(secret.Data)
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	secret.Data[PrimaryField] = []byte(have.Primary.Reveal())
	secret.Data[SecondaryField] = []byte(have.Secondary.Reveal())
	secret.Data[SlotField] = []byte(slot)
	return true, nil
}

func ours(secret *corev1.Secret, endpoint string) bool {
	return secret.Labels[nameLabel] == inference && secret.Labels[instanceLabel] == endpoint
}

func keysOf(secret *corev1.Secret) Keys {
	return Keys{
		Primary:   NewKey(string(secret.Data[PrimaryField])),
		Secondary: NewKey(string(secret.Data[SecondaryField])),
	}
}

// differ tells whether a key was asked for that is not the one there is.
func differ(asked, have Keys) bool {
	return !asked.Primary.IsZero() && !asked.Primary.Equal(have.Primary) ||
		!asked.Secondary.IsZero() && !asked.Secondary.Equal(have.Secondary)
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package auth_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/auth"
)

func regeneration(which auth.Which, key string) auth.RegenerateOptions {
	return auth.RegenerateOptions{Namespace: "models", Endpoint: "sentiment", Secret: "sentiment-keys", Slot: slot,
		Which: which, Key: auth.NewKey(key)}
}

func TestRegenerateChangesOneKeyAndTheSlotTogether(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		secret, want map[string]string
		which        auth.Which
		key, old     string
	}{
		"the primary key": {
			secret: map[string]string{"primaryKey": "p", "secondaryKey": "s", "ecds.yaml": rendered("p", "s"), "more": "m"},
			which:  auth.Primary, key: "new", old: "p",
			want: map[string]string{"primaryKey": "new", "secondaryKey": "s", "ecds.yaml": rendered("new", "s"), "more": "m"},
		},
		"the secondary key": {
			secret: map[string]string{"primaryKey": "p", "secondaryKey": "s", "ecds.yaml": rendered("p", "s")},
			which:  auth.Secondary, key: "new", old: "s",
			want: map[string]string{"primaryKey": "p", "secondaryKey": "new", "ecds.yaml": rendered("p", "new")},
		},
		"a slot that was forgotten is made good": {
			secret: map[string]string{"primaryKey": "p", "secondaryKey": "s", "ecds.yaml": "old"},
			which:  auth.Primary, key: "new", old: "p",
			want: map[string]string{"primaryKey": "new", "secondaryKey": "s", "ecds.yaml": rendered("new", "s")},
		},
		"an old key that stays good as the other one": {
			secret: map[string]string{"primaryKey": "same", "secondaryKey": "same"}, which: auth.Primary, key: "new",
			want: map[string]string{"primaryKey": "new", "secondaryKey": "same", "ecds.yaml": rendered("new", "same")},
		},
		"the key that there is": {
			secret: map[string]string{"primaryKey": "p", "secondaryKey": "s"}, which: auth.Primary, key: "p",
			want: map[string]string{"primaryKey": "p", "secondaryKey": "s", "ecds.yaml": rendered("p", "s")},
		},
	} {
		client := fake.NewClientset(stored(c.secret))
		done, err := auth.Regenerate(t.Context(), client, regeneration(c.which, c.key))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if done.Old.Reveal() != c.old || done.Keys.Get(c.which).Reveal() != c.key {
			t.Errorf("%s: replaced %q by %q", name, done.Old.Reveal(), done.Keys.Get(c.which).Reveal())
		}
		made := get(t, client)
		for field, want := range c.want {
			if got := string(made.Data[field]); got != want {
				t.Errorf("%s: %s is %q, want %q", name, field, got, want)
			}
		}
	}
}

func TestRegenerateMakesAKeyAtRandom(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset(stored(map[string]string{"primaryKey": "p", "secondaryKey": "s"}))
	done, err := auth.Regenerate(t.Context(), client, regeneration(auth.Secondary, ""))
	if err != nil || len(done.Keys.Secondary.Reveal()) != 32 || done.Keys.Primary.Reveal() != "p" {
		t.Errorf("made a key of %d characters, %v", len(done.Keys.Secondary.Reveal()), err)
	}
}

func TestRegenerateRefusals(t *testing.T) {
	t.Parallel()
	foreign := stored(map[string]string{"primaryKey": "p", "secondaryKey": "s"})
	foreign.Labels["app.kubernetes.io/instance"] = "other"
	for name, c := range map[string]struct {
		secret *corev1.Secret
		key    string
		want   string
	}{
		"no secret":         {nil, "new", "regenerate the primary key in secret models/sentiment-keys: no such secret"},
		"a foreign secret":  {foreign, "new", "it is not this endpoint's: change the key where the secret is made"},
		"a key with spaces": {stored(nil), "se cret", "primaryKey cannot be sent in a header because of its character 3"},
	} {
		client := fake.NewClientset()
		if c.secret != nil {
			client = fake.NewClientset(c.secret)
		}
		_, err := auth.Regenerate(t.Context(), client, regeneration(auth.Primary, c.key))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "se cret") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if c.secret == nil && !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("%s: %v is not ErrNotFound", name, err)
		}
	}
}

// TestRegenerationsAtOnceLoseNone answers the first updates with conflicts, as
// the API server does to those who come second.
func TestRegenerationsAtOnceLoseNone(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset(stored(map[string]string{"primaryKey": "p", "secondaryKey": "s"}))
	var turn sync.Mutex
	conflicts := 0
	client.PrependReactor("update", "secrets", func(a clienttesting.Action) (bool, runtime.Object, error) {
		turn.Lock()
		defer turn.Unlock()
		if conflicts++; conflicts > 2 {
			return false, nil, nil
		}
		// Somebody else changes the secondary key in between.
		other := stored(map[string]string{"primaryKey": "p", "secondaryKey": "theirs", "ecds.yaml": rendered("p", "theirs")})
		if err := client.Tracker().Update(a.GetResource(), other, "models"); err != nil {
			return true, nil, err
		}
		return true, nil, apierrors.NewConflict(schema.GroupResource{Resource: "secrets"}, "sentiment-keys", errors.New("changed"))
	})
	if _, err := auth.Regenerate(t.Context(), client, regeneration(auth.Primary, "mine")); err != nil {
		t.Fatal(err)
	}
	made := get(t, client)
	if p, s := string(made.Data["primaryKey"]), string(made.Data["secondaryKey"]); p != "mine" || s != "theirs" {
		t.Errorf("the keys are %q and %q", p, s)
	}
	if got := string(made.Data["ecds.yaml"]); got != rendered("mine", "theirs") {
		t.Errorf("the slot is %q", got)
	}
}

func TestWhichKeyIsReadInAnyCase(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]auth.Which{"primary": auth.Primary, "SECONDARY": auth.Secondary, "Primary": auth.Primary} {
		if got, err := auth.ParseWhich(text); got != want || err != nil {
			t.Errorf("%s is %q, %v", text, got, err)
		}
	}
	if _, err := auth.ParseWhich("first"); err == nil || !strings.Contains(err.Error(), "write Primary or Secondary") {
		t.Errorf("first: %v", err)
	}
}

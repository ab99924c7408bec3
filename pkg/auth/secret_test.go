// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package auth_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/auth"
)

func wanted() auth.Options {
	return auth.Options{Namespace: "models", Endpoint: "sentiment", Slot: slot}
}

// stored is the Secret of the endpoint with the data, as the plugin labels it.
func stored(data map[string]string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Name: "sentiment-keys", Namespace: "models",
		Labels: map[string]string{
			"app.kubernetes.io/name": "inference", "app.kubernetes.io/instance": "sentiment",
			"app.kubernetes.io/managed-by": "kubectl-aml",
		},
	}, Data: map[string][]byte{}}
	for field, text := range data {
		s.Data[field] = []byte(text)
	}
	return s
}

func rendered(primary, secondary string) string {
	return strings.NewReplacer("@PRIMARY@", primary, "@SECONDARY@", secondary).Replace(slot)
}

func get(t *testing.T, client *fake.Clientset) *corev1.Secret {
	t.Helper()
	secret, err := client.CoreV1().Secrets("models").Get(t.Context(), "sentiment-keys", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func TestEnsureMakesTheSecret(t *testing.T) {
	client := fake.NewClientset()
	done, err := auth.Ensure(t.Context(), client, wanted())
	if err != nil || done != (auth.Ensured{Name: "sentiment-keys", Created: true}) {
		t.Fatalf("got %+v, %v", done, err)
	}
	made := get(t, client)
	if want := stored(nil).Labels; !maps.Equal(made.Labels, want) {
		t.Errorf("labelled %v, want %v", made.Labels, want)
	}
	primary, secondary := string(made.Data["primaryKey"]), string(made.Data["secondaryKey"])
	if len(primary) != 32 || len(secondary) != 32 || primary == secondary {
		t.Errorf("made the keys %q and %q, want two of 32 characters", primary, secondary)
	}
	if got, want := string(made.Data["ecds.yaml"]), rendered(primary, secondary); got != want {
		t.Errorf("made the slot\n%s\nwant\n%s", got, want)
	}
}

func TestEnsureUsesGivenKeys(t *testing.T) {
	client, o := fake.NewClientset(), wanted()
	o.Keys = auth.Keys{Primary: auth.NewKey("mine")}
	if _, err := auth.Ensure(t.Context(), client, o); err != nil {
		t.Fatal(err)
	}
	made := get(t, client)
	if string(made.Data["primaryKey"]) != "mine" || len(made.Data["secondaryKey"]) != 32 {
		t.Errorf("got %q, want the given key and one made", made.Data)
	}
}

func TestEnsureRefusesKeysThatCannotBeSent(t *testing.T) {
	client, o := fake.NewClientset(), wanted()
	o.Keys = auth.Keys{Primary: auth.NewKey("a b")}
	_, err := auth.Ensure(t.Context(), client, o)
	if err == nil || err.Error() != refused("primaryKey", 2) || len(client.Actions()) != 0 {
		t.Errorf("got %v and %d requests, want a refusal before any", err, len(client.Actions()))
	}
}

func TestEnsureOnASecretThatIsThere(t *testing.T) {
	both := map[string]string{"primaryKey": "one", "secondaryKey": "two"}
	with := func(more map[string]string) map[string]string {
		all := maps.Clone(both)
		maps.Copy(all, more)
		return all
	}
	whole := func() map[string]string { return with(map[string]string{"ecds.yaml": rendered("one", "two")}) }
	foreign := func(s *corev1.Secret) *corev1.Secret { s.Labels = nil; return s }
	cases := map[string]struct {
		secret *corev1.Secret
		keys   auth.Keys
		want   auth.Ensured
		slot   string
		err    string
	}{
		"leaves_a_whole_one_alone": {secret: stored(with(map[string]string{"ecds.yaml": "one two, by hand"})),
			slot: "one two, by hand"},
		"does_not_change_keys_to_given_ones": {secret: stored(whole()),
			keys: auth.Keys{Primary: auth.NewKey("other")}, want: auth.Ensured{KeysDiffer: true}, slot: rendered("one", "two")},
		"finds_given_keys_in_it": {secret: stored(whole()),
			keys: auth.Keys{Primary: auth.NewKey("one")}, slot: rendered("one", "two")},
		"adds_a_missing_slot": {secret: stored(both), want: auth.Ensured{Repaired: true}, slot: rendered("one", "two")},
		"renews_a_slot_with_old_keys": {secret: stored(with(map[string]string{"ecds.yaml": rendered("old", "two")})),
			want: auth.Ensured{Repaired: true}, slot: rendered("one", "two")},
		"adds_a_missing_key": {secret: stored(map[string]string{"primaryKey": "one"}),
			keys: auth.Keys{Secondary: auth.NewKey("given")}, want: auth.Ensured{Repaired: true},
			slot: rendered("one", "given")},
		"uses_a_whole_one_of_others": {secret: foreign(stored(whole())),
			slot: rendered("one", "two")},
		"refuses_to_repair_one_of_others": {secret: foreign(stored(both)),
			err: "ensure the keys in secret models/sentiment-keys: it is incomplete and not this endpoint's: delete it, or " +
				"label it app.kubernetes.io/name=inference,app.kubernetes.io/instance=sentiment"},
		"refuses_stored_keys_that_cannot_be_sent": {secret: stored(map[string]string{"primaryKey": "one", "secondaryKey": "t o"}),
			err: "ensure the keys in secret models/sentiment-keys: " + refused("secondaryKey", 2)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			client, o := fake.NewClientset(c.secret), wanted()
			o.Keys = c.keys
			got, err := auth.Ensure(t.Context(), client, o)
			if c.err != "" {
				if err == nil || err.Error() != c.err {
					t.Errorf("got  %v\nwant %s", err, c.err)
				}
				return
			}
			c.want.Name = "sentiment-keys"
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
			after := get(t, client)
			if string(after.Data["ecds.yaml"]) != c.slot || string(after.Data["primaryKey"]) != "one" {
				t.Errorf("has %q now, want the slot %q", after.Data, c.slot)
			}
		})
	}
}

func TestEnsureTakesTheKeysOfAnotherThatWasFaster(t *testing.T) {
	client := fake.NewClientset()
	faster := stored(map[string]string{
		"primaryKey": "one", "secondaryKey": "two", "ecds.yaml": rendered("one", "two"),
	})
	client.PrependReactor("create", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		if err := client.Tracker().Add(faster); err != nil {
			t.Error(err)
		}
		return false, nil, nil
	})
	done, err := auth.Ensure(t.Context(), client, wanted())
	if err != nil || done.Created || string(get(t, client).Data["primaryKey"]) != "one" {
		t.Errorf("got %+v, %v, %q", done, err, get(t, client).Data)
	}
}

func TestEnsureTriesAgainWhenAnotherChangedTheSecret(t *testing.T) {
	client := fake.NewClientset(stored(map[string]string{"primaryKey": "one", "secondaryKey": "two"}))
	tries := 0
	client.PrependReactor("update", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		if tries++; tries == 1 {
			return true, nil, apierrors.NewConflict(schema.GroupResource{Resource: "secrets"}, "sentiment-keys", nil)
		}
		return false, nil, nil
	})
	done, err := auth.Ensure(t.Context(), client, wanted())
	if err != nil || !done.Repaired || tries != 2 {
		t.Errorf("got %+v, %v after %d tries", done, err, tries)
	}
}

func TestErrorsOfTheAPIServerDoNotTellKeys(t *testing.T) {
	client, o := fake.NewClientset(), wanted()
	o.Keys = auth.Keys{Primary: auth.NewKey(secret)}
	client.PrependReactor("create", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		resource := schema.GroupResource{Resource: "secrets"}
		return true, nil, apierrors.NewForbidden(resource, "sentiment-keys", errors.New("no"))
	})
	_, err := auth.Ensure(t.Context(), client, o)
	want := `ensure the keys in secret models/sentiment-keys: secrets "sentiment-keys" is forbidden: no`
	if err == nil || err.Error() != want || !apierrors.IsForbidden(err) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestRead(t *testing.T) {
	client := fake.NewClientset(stored(map[string]string{"primaryKey": "one", "secondaryKey": "two"}))
	keys, err := auth.Read(t.Context(), client, "models", "sentiment-keys")
	if err != nil || keys.Primary.Reveal() != "one" || keys.Secondary.Reveal() != "two" {
		t.Errorf("got %v", err)
	}
	if _, err := auth.Read(t.Context(), client, "models", "other"); !errors.Is(err, auth.ErrNotFound) ||
		err.Error() != "read the keys in secret models/other: no such secret" {
		t.Errorf("got %v, want that there is none", err)
	}
	client = fake.NewClientset(stored(map[string]string{"primaryKey": "one"}))
	_, err = auth.Read(t.Context(), client, "models", "sentiment-keys")
	want := "secret models/sentiment-keys lacks a key: it needs primaryKey and secondaryKey"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestDelete(t *testing.T) {
	charts := stored(nil)
	charts.Labels["app.kubernetes.io/managed-by"] = "Helm"
	others := stored(nil)
	others.Labels["app.kubernetes.io/instance"] = "another"
	cases := map[string]struct {
		secret *corev1.Secret
		gone   bool
	}{
		"removes_what_ensure_made":      {stored(nil), true},
		"leaves_what_the_chart_made":    {charts, false},
		"leaves_what_belongs_to_others": {others, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			client := fake.NewClientset(c.secret)
			if err := auth.Delete(t.Context(), client, "models", "sentiment"); err != nil {
				t.Fatal(err)
			}
			list, err := client.CoreV1().Secrets("models").List(t.Context(), metav1.ListOptions{})
			if err != nil || (len(list.Items) == 0) != c.gone {
				t.Errorf("left %d secrets, %v", len(list.Items), err)
			}
		})
	}
	t.Run("is_content_if_there_is_none", func(t *testing.T) {
		if err := auth.Delete(t.Context(), fake.NewClientset(), "models", "sentiment"); err != nil {
			t.Error(err)
		}
	})
}

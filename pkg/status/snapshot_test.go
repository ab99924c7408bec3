// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clienttesting "k8s.io/client-go/testing"
)

func TestAddressesAreThoseOfThePodsThatRunWhatTheVersionIsNow(t *testing.T) {
	t.Parallel()
	s := fixture(t, "old-still-serves")
	for i := range s.Pods {
		p := &s.Pods[i]
		switch p.Name {
		case "green-old":
			p.Status.PodIPs = []corev1.PodIP{{IP: "10.0.0.1"}}
		case "green-a":
			p.Status.PodIPs = []corev1.PodIP{{IP: "10.0.0.2"}, {IP: "fd00::2"}}
			p.DeletionTimestamp = &metav1.Time{Time: noon()}
		}
	}
	want := []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::2")}
	if got := s.addresses("green"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, version := range []string{"blue", "red"} { // without an address yet, not there
		if got := s.addresses(version); len(got) != 0 {
			t.Errorf("version %s has %v", version, got)
		}
	}
}

func TestAddressesNeedThePodsOfTheVersionsAndNothingElse(t *testing.T) {
	t.Parallel()
	s := newScene(t, "old-still-serves")
	forbid(s, "events")
	forbid(s, "horizontalpodautoscalers")
	got, err := Addresses(t.Context(), s, "models", "sentiment", []string{"green", "blue"})
	if err != nil || len(got) != 2 {
		t.Errorf("got %v, %v, want both versions", got, err)
	}
	for _, action := range s.client.Actions() {
		if action.GetVerb() != "list" {
			t.Errorf("asks to %s %s", action.GetVerb(), action.GetResource().Resource)
			continue
		}
		selector := action.(clienttesting.ListAction).GetListRestrictions().Labels.String()
		if want := "app.kubernetes.io/instance=sentiment,kubectl-aml/version in (blue,green)"; selector != want {
			t.Errorf("lists the %s with %s, want those with %s", action.GetResource().Resource, selector, want)
		}
	}
	if got := len(s.client.Actions()); got != 3 {
		t.Errorf("asks %d times, want 3", got)
	}
}

func TestAddressesThatMayNotBeReadAreAnError(t *testing.T) {
	t.Parallel()
	s := newScene(t, "ready")
	forbid(s, "pods")
	_, err := Addresses(t.Context(), s, "models", "sentiment", []string{"green"})
	if want := "list the pods of endpoint models/sentiment: pods is forbidden: no"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	if got := s.Addresses("green"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, version := range []string{"blue", "red"} { // without an address yet, not there
		if got := s.Addresses(version); len(got) != 0 {
			t.Errorf("version %s has %v", version, got)
		}
	}
}

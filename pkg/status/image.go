// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package status

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	corev1 "k8s.io/api/core/v1"
)

// loadedHost begins the names of images that are loaded into nodes out of a folder
// (layout.Host). No node can pull one.
const loadedHost = "layout.localhost/"

// pullIsHopeless tells whether trying to pull the image again is no use. A back-off
// is, unless its words are those of something that passes; a first failure is
// only if its words are definitive.
func (c container) pullIsHopeless(waiting *corev1.ContainerStateWaiting) bool {
	words := strings.ToLower(c.pullWords(waiting))
	image, _ := c.unpulled(waiting)
	if strings.HasPrefix(image, loadedHost) || containsAny(words, "not found", "manifest unknown", "does not exist",
		"unauthorized", "denied", "forbidden", "authorization failed", "no match for platform", "no such host") {
		return true
	}
	passes := containsAny(words, "timeout", "timed out", "deadline exceeded", "connection refused", "connection reset",
		"too many requests", "toomanyrequests", "eof", "server misbehaving", "temporary failure", "unavailable",
		"internal server error", "bad gateway", "qps exceeded", "unreachable", "canceled")
	return waiting.Reason == reasonBackOff && !passes
}

func (c container) pullMessage(waiting *corev1.ContainerStateWaiting) string {
	image, of := c.unpulled(waiting)
	if strings.HasPrefix(image, loadedHost) { // what the kubelet says is about a registry that is none
		return fmt.Sprintf("image %s of %s is not to be had from its node, and is in no registry: load it again, with "+
			"kubectl aml deploy or bundle load", image, of)
	}
	return sentence(fmt.Sprintf("image %s of %s cannot be pulled", image, of), c.pullWords(waiting))
}

// unpulled is the image that the kubelet's words are about, and what it is of.
func (c container) unpulled(waiting *corev1.ContainerStateWaiting) (image, of string) {
	if v, ok := c.volume(waiting.Message); ok {
		return v.Image.Reference, "volume " + v.Name
	}
	return c.spec.Image, "container " + c.spec.Name
}

// pullWords are the kubelet's words without what it puts before them. Kubelets
// before 1.30 do not repeat the cause while they back off: it is then looked
// for among the events.
func (c container) pullWords(waiting *corev1.ContainerStateWaiting) string {
	words := stripPullPrefix(waiting.Message)
	if words == "" {
		if event, ok := c.event("Failed", "Failed to pull image"); ok {
			words = stripPullPrefix(event.Message)
		}
	}
	return words
}

func stripPullPrefix(message string) string {
	prefixes := regexp.MustCompile(`^(Back-off pulling image "[^"]*"|Failed to pull image "[^"]*"|ErrImagePull|` +
		`rpc error: code = \w+ desc = |[: ]+)`)
	for {
		rest := prefixes.ReplaceAllString(message, "")
		if rest == message {
			return message
		}
		message = rest
	}
}

// mentions tells whether words are about an image, and not about one whose name
// begins or ends the same.
func mentions(words, image string) bool {
	for name := range strings.FieldsFuncSeq(words, isOutsideNames) {
		if shortName(strings.TrimRight(name, ":.")) == shortName(image) {
			return true
		}
	}
	return false
}

func isOutsideNames(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-/:@", r)
}

// shortName is the name of an image without what runtimes write out.
func shortName(image string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(image, "docker.io/"), "library/"), ":latest")
}

// pulling tells whether the kubelet has begun to pull the image and not ended.
func (c container) pulling() bool {
	for _, event := range c.pod.events {
		if c.concerns(event) && slices.Contains([]string{"Pulling", "Pulled", "Failed"}, event.Reason) {
			return event.Reason == "Pulling"
		}
	}
	return false
}

func containsAny(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
}

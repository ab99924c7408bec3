// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package releasetest

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	helmkube "helm.sh/helm/v3/pkg/kube"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// answer serves what is read past Helm's client, and patches tried in a dry run.
func (c *Cluster) answer(r *http.Request) (*http.Response, error) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/") // Kind/namespaces/NS/plural[/NAME]
	if len(parts) < 5 {
		return c.list(parts[0], r)
	}
	name := parts[0] + "/" + parts[4]
	object := c.Object(name)
	if object == nil {
		return failure(http.StatusNotFound, metav1.StatusReasonNotFound, name+" not found")
	}
	if r.Method == http.MethodPatch {
		return c.try(object, r)
	}
	return respond(http.StatusOK, object)
}

func (c *Cluster) list(kind string, r *http.Request) (*http.Response, error) {
	selector, err := labels.Parse(r.URL.Query().Get("labelSelector"))
	if err != nil {
		return nil, err
	}
	list := map[string]any{"apiVersion": "v1", "kind": "List"}
	items := []any{}
	for _, name := range c.Names() {
		object := c.Object(name)
		if object != nil && object.GetKind() == kind && selector.Matches(labels.Set(object.GetLabels())) {
			items = append(items, object.Object)
		}
	}
	list["items"] = items
	return respond(http.StatusOK, list)
}

// try answers with the patched object and keeps nothing of it. The patch of
// anything but a dry run is refused.
func (c *Cluster) try(object *unstructured.Unstructured, r *http.Request) (*http.Response, error) {
	if r.URL.Query().Get("dryRun") != metav1.DryRunAll {
		return failure(http.StatusMethodNotAllowed, metav1.StatusReasonMethodNotAllowed, "writes go through Helm's client")
	}
	if err := c.refused("try", key(object)); err != nil {
		return failure(http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
	}
	patch, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	was, err := object.MarshalJSON()
	if err != nil {
		return nil, err
	}
	next := []byte(nil)
	if r.Header.Get("Content-Type") == string(types.MergePatchType) {
		next, err = mergePatch(was, patch)
	} else {
		next, err = strategicpatch.StrategicMergePatch(was, patch, helmkube.AsVersioned(c.info(object)))
	}
	if err != nil {
		return nil, err
	}
	return respond(http.StatusOK, json.RawMessage(next))
}

func failure(code int32, reason metav1.StatusReason, message string) (*http.Response, error) {
	return respond(int(code), metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status: metav1.StatusFailure, Reason: reason, Code: code, Message: message})
}

func respond(code int, body any) (*http.Response, error) {
	raw, err := json.Marshal(body)
	return &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(string(raw)))}, err
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package armfake

import (
	"encoding/json"
	"io"
	"net/http"
)

// say answers with a body of JSON.
func say(w http.ResponseWriter, status int, body string) {
	if body != "" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // a client that is gone
}

func sayJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(err.Error())
	}
	say(w, status, string(text))
}

// refuse is an error of the resource manager's front, which wraps it.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("X-Ms-Failure-Cause", "gateway")
	sayJSON(w, status, map[string]any{"error": map[string]any{"code": code, "message": message}})
}

// unreadable is the answer to a body that is no JSON.
func unreadable(w http.ResponseWriter) {
	refuse(w, http.StatusBadRequest, "InvalidRequestContent",
		"The request content was invalid and could not be deserialized.")
}

// refuseAKS is an error of AKS, which does not wrap it.
func refuseAKS(w http.ResponseWriter, status int, code, message string) {
	sayJSON(w, status, map[string]any{"code": code, "details": nil, "message": message, "subcode": ""})
}

// drop closes the connection without an answer.
func drop(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if c, _, err := h.Hijack(); err == nil {
			_ = c.Close()
		}
	}
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute

import (
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// extension is the name under which a context of a kubeconfig says that it is a
// compute. kubectl keeps what it does not know.
const extension = "aml.dev/compute"

// markerKind is the kind of what is written there.
const markerKind = "Compute"

// Marker says, in the context of a kubeconfig, which compute it leads to.
type Marker struct {
	APIVersion    string    `json:"apiVersion"`
	Kind          string    `json:"kind"`
	Name          string    `json:"name"`
	Provider      Provider  `json:"provider,omitempty"`
	ResourceID    string    `json:"resourceId,omitempty"`
	AttachmentUID types.UID `json:"attachmentUID,omitempty"`
	// Made names what of the kubeconfig was made for the compute, and goes with it:
	// the context, the cluster, the user.
	Made []string `json:"made,omitempty"`
}

// The words of Marker.Made.
const (
	madeContext = "context"
	madeCluster = "cluster"
	madeUser    = "user"
)

// MarkerOf is the marker for a record.
func MarkerOf(r Record) Marker {
	return Marker{Name: r.Name, Provider: r.Provider, ResourceID: r.ResourceID, AttachmentUID: r.UID}
}

// marker reads the marker of a context; nil for none.
func marker(c *clientcmdapi.Context) (*Marker, error) {
	raw, ok := c.Extensions[extension].(*runtime.Unknown)
	if !ok {
		return nil, nil
	}
	var m Marker
	if err := json.Unmarshal(raw.Raw, &m); err != nil {
		return nil, fmt.Errorf("its extension %s cannot be read: %w", extension, err)
	}
	if m.APIVersion != APIVersion || m.Kind != markerKind {
		return nil, fmt.Errorf("its extension %s is %s %s and this plugin knows %s %s",
			extension, m.APIVersion, m.Kind, APIVersion, markerKind)
	}
	return &m, CheckName(m.Name)
}

// mark writes the marker into a context, and takes it out if m is nil.
func mark(c *clientcmdapi.Context, m *Marker) error {
	if m == nil {
		delete(c.Extensions, extension)
		return nil
	}
	m.APIVersion, m.Kind = APIVersion, markerKind
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if c.Extensions == nil {
		c.Extensions = map[string]runtime.Object{}
	}
	c.Extensions[extension] = &runtime.Unknown{Raw: text, ContentType: runtime.ContentTypeJSON}
	return nil
}

func (m *Marker) made(what string) bool { return m != nil && slices.Contains(m.Made, what) }

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The media types of a model are those of the CNCF's model specification
// (github.com/modelpack/model-spec), so that its tools know what they see.
const (
	modelArtifact = "application/vnd.cncf.model.manifest.v1+json"
	modelConfig   = types.MediaType("application/vnd.cncf.model.config.v1+json")
	modelWeights  = types.MediaType("application/vnd.cncf.model.weight.v1.tar")
	filePath      = "org.cncf.model.filepath"
	// fileTitle is the name that a client of artifacts, such as oras, writes the
	// archive to.
	fileTitle = "org.opencontainers.image.title"
	// recordKey annotates the manifest with all that is known of a model. The
	// specification's config has no room for tags and properties, and refuses
	// keys of others.
	recordKey = "kubectl-aml/model"
)

// ModelInfo is what is said of a model when it is registered.
type ModelInfo struct {
	Description string `json:"description"`
	// Tags can be changed later, Properties can only be added to.
	Tags       map[string]string `json:"tags"`
	Properties map[string]string `json:"properties"`
	// Framework is one of those that Frameworks names; empty is none.
	Framework        string `json:"framework,omitempty"`
	FrameworkVersion string `json:"frameworkVersion,omitempty"`
	// Resources are what the model is thought to need; nil is unknown.
	Resources *Resources `json:"resourceConfiguration,omitempty"`
	// The rest is kept as it is given: it names things of a workspace.
	SampleInputDatasetID  string `json:"sampleInputDatasetId,omitempty"`
	SampleOutputDatasetID string `json:"sampleOutputDatasetId,omitempty"`
	ExperimentName        string `json:"experimentName,omitempty"`
	RunID                 string `json:"runId,omitempty"`
}

// Resources are what a model needs to be served.
type Resources struct {
	CPU        float64 `json:"cpu,omitempty"`
	MemoryInGB float64 `json:"memoryInGB,omitempty"`
	GPU        int     `json:"gpu,omitempty"`
}

// Frameworks are the frameworks that Azure ML knew.
func Frameworks() []string {
	return []string{"Custom", "Multi", "Onnx", "PyTorch", "ScikitLearn", "TensorFlow", "TfKeras"}
}

// Registered is a model in a registry. In JSON it has the names of Azure ML.
type Registered struct {
	// ID is NAME:VERSION.
	ID      string `json:"id"`
	Name    string `json:"name"`
	Version int    `json:"version"`
	// CreatedTime is when it was registered, in UTC.
	CreatedTime time.Time `json:"createdTime"`
	ModelInfo
	// URL is oci://REPOSITORY@sha256:DIGEST, the manifest as it is now.
	URL string `json:"url"`
	// Size is that of the layer with the files, in bytes.
	Size int64 `json:"sizeInBytes"`

	// digest is that of the manifest, layer describes the archive of the files.
	digest v1.Hash
	layer  v1.Descriptor
}

// Model is r as Source takes it.
func (r Registered) Model() Model { return Model{Name: r.Name, Version: r.Version} }

// record is what recordKey holds.
type record struct {
	Name        string    `json:"name"`
	Version     int       `json:"version"`
	CreatedTime time.Time `json:"createdTime"`
	ModelInfo
}

// specConfig is the config of the CNCF's specification, as far as it is used.
type specConfig struct {
	Descriptor struct {
		CreatedAt   time.Time `json:"createdAt"`
		Name        string    `json:"name"`
		Version     string    `json:"version"`
		Description string    `json:"description,omitempty"`
	} `json:"descriptor"`
	Config struct {
		Format string `json:"format,omitempty"`
	} `json:"config"`
	ModelFS struct {
		Type    string    `json:"type"`
		DiffIDs []v1.Hash `json:"diffIds"`
	} `json:"modelfs"`
}

// artifact is a manifest that is written as it is, and its config.
type artifact struct {
	manifest []byte
	config   v1.Layer
}

// RawManifest is the manifest.
func (a artifact) RawManifest() ([]byte, error) { return a.manifest, nil }

// MediaType is OCI's, for all artifacts.
func (artifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

func (a artifact) digest() (v1.Hash, error) {
	h, _, err := v1.SHA256(bytes.NewReader(a.manifest))
	return h, err
}

func newArtifact(kind string, config []byte, configType types.MediaType, layers []v1.Descriptor,
	notes map[string]string,
) (artifact, error) {
	a := artifact{config: static.NewLayer(config, configType)}
	digest, err := a.config.Digest()
	if err != nil {
		return artifact{}, err
	}
	a.manifest, err = json.Marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: kind, Annotations: notes, Layers: layers,
		Config: v1.Descriptor{MediaType: configType, Size: int64(len(config)), Digest: digest},
	})
	return a, err
}

// artifact is r as the registry holds it.
func (r Registered) artifact() (artifact, error) {
	var c specConfig
	c.Descriptor.CreatedAt, c.Descriptor.Name = r.CreatedTime, r.Name
	c.Descriptor.Version, c.Descriptor.Description = strconv.Itoa(r.Version), r.Description
	c.Config.Format = r.Framework
	// The archive is not compressed: both digests of it are one.
	c.ModelFS.Type, c.ModelFS.DiffIDs = "layers", []v1.Hash{r.layer.Digest}
	config, err := json.Marshal(c)
	if err != nil {
		return artifact{}, err
	}
	note, err := json.Marshal(record{Name: r.Name, Version: r.Version, CreatedTime: r.CreatedTime, ModelInfo: r.ModelInfo})
	if err != nil {
		return artifact{}, err
	}
	return newArtifact(modelArtifact, config, modelConfig, []v1.Descriptor{r.layer},
		map[string]string{recordKey: string(note)})
}

var errNoModel = errors.New("it was not made by model register")

// readArtifact reads what artifact wrote, and refuses anything else.
func readArtifact(manifest []byte, digest v1.Hash, repository string) (Registered, error) {
	m, err := v1.ParseManifest(bytes.NewReader(manifest))
	if err != nil {
		return Registered{}, fmt.Errorf("it is no manifest: %w", err)
	}
	var rec record
	if m.ArtifactType != modelArtifact || len(m.Layers) != 1 || m.Layers[0].MediaType != modelWeights {
		return Registered{}, errNoModel
	}
	if err := json.Unmarshal([]byte(m.Annotations[recordKey]), &rec); err != nil || rec.Version < 1 ||
		!modelName.MatchString(rec.Name) {
		return Registered{}, errNoModel
	}
	r := Registered{Name: rec.Name, Version: rec.Version, CreatedTime: rec.CreatedTime, ModelInfo: rec.ModelInfo,
		URL: "oci://" + repository + "@" + digest.String(), Size: m.Layers[0].Size, digest: digest, layer: m.Layers[0]}
	r.ID = r.Model().String()
	return r, nil
}

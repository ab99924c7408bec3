// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package printer

import "github.com/kubectl-aml/kubectl-aml/pkg/endpoint"

// Realtime is what Azure ML v1 tells of an endpoint with versions: azureml-core's
// AksEndpoint.serialize(), key by key. What Kubernetes has no notion of is null.
type Realtime struct {
	Name             string            `json:"name"`
	Description      *string           `json:"description"`
	Tags             map[string]string `json:"tags"`
	Properties       map[string]string `json:"properties"`
	State            string            `json:"state"`
	CreatedTime      *string           `json:"createdTime"`
	UpdatedTime      *string           `json:"updatedTime"`
	Error            *ServiceError     `json:"error"`
	ComputeName      any               `json:"computeName"`
	ComputeType      string            `json:"computeType"`
	WorkspaceName    string            `json:"workspaceName"`
	DeploymentStatus DeploymentStatus  `json:"deploymentStatus"`
	ScoringURI       *string           `json:"scoringUri"`
	AuthEnabled      bool              `json:"authEnabled"`
	TokenAuthEnabled bool              `json:"aadAuthEnabled"`
	// Insights is always off.
	Insights bool               `json:"appInsightsEnabled"`
	Versions map[string]Service `json:"versions"`
}

// RealtimeOf tells of an endpoint with each of its versions.
func RealtimeOf(s Served) Realtime {
	told := Realtime{
		Name: s.Name, Description: orNull(s.Description), Tags: joined(s.Tags), Properties: joined(s.Properties),
		CreatedTime: isoTime(s.Created), UpdatedTime: isoTime(s.Updated),
		ComputeType: s.ComputeType(), WorkspaceName: s.Namespace, ScoringURI: uri(s, ""),
		AuthEnabled: s.Auth.Mode == endpoint.AuthKey, Versions: map[string]Service{},
	}
	told.State, told.Error = s.state(s.Tree.Verdict, rolledOut(s.Tree))
	for _, name := range s.VersionNames() {
		load := workloadOf(s.Tree, name)
		told.Versions[name] = version(s, name, load.Verdict, load.RolledOut)
		told.DeploymentStatus.Replicas += load.Desired
		told.DeploymentStatus.UpdatedReplicas += load.UpdatedReplicas
		told.DeploymentStatus.AvailableReplicas += load.Available
	}
	return told
}

// BriefService is what az tells of a service without -v.
type BriefService struct {
	Name               string              `json:"name"`
	ImageID            string              `json:"imageId"`
	UpdatedAt          *string             `json:"updatedAt"`
	ComputeType        string              `json:"computeType"`
	ScoringURI         *string             `json:"scoringUri"`
	State              string              `json:"state"`
	Tags               map[string]string   `json:"tags"`
	Properties         map[string]string   `json:"properties"`
	EnvironmentDetails *EnvironmentDetails `json:"environmentDetails"`
}

// Brief is the short form of s.
func (s Service) Brief() BriefService {
	return BriefService{Name: s.Name, ImageID: s.ImageID, UpdatedAt: s.UpdatedTime, ComputeType: s.ComputeType,
		ScoringURI: s.ScoringURI, State: s.State, Tags: s.Tags, Properties: s.Properties,
		EnvironmentDetails: s.EnvironmentDetails}
}

// BriefRealtime is what az tells of an endpoint without -v.
type BriefRealtime struct {
	Name        string             `json:"name"`
	UpdatedAt   *string            `json:"updatedAt"`
	ComputeType string             `json:"computeType"`
	ScoringURI  *string            `json:"scoringUri"`
	State       string             `json:"state"`
	Tags        map[string]string  `json:"tags"`
	Properties  map[string]string  `json:"properties"`
	Versions    map[string]Service `json:"versions"`
}

// Brief is the short form of r.
func (r Realtime) Brief() BriefRealtime {
	return BriefRealtime{Name: r.Name, UpdatedAt: r.UpdatedTime, ComputeType: r.ComputeType, ScoringURI: r.ScoringURI,
		State: r.State, Tags: r.Tags, Properties: r.Properties, Versions: r.Versions}
}

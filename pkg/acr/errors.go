// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package acr

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	acr "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerregistry/armcontainerregistry"

	"github.com/kubectl-aml/kubectl-aml/pkg/aks"
	"github.com/kubectl-aml/kubectl-aml/pkg/build"
)

// unavailable says of an error of Azure that ACR Tasks cannot be used, if it does
// not pass: another builder may do.
func unavailable(err error) error {
	known := (*aks.Error)(nil)
	if !errors.As(err, &known) {
		return err
	}
	reason := ""
	switch {
	// https://learn.microsoft.com/azure/container-registry/container-registry-tasks-overview
	case strings.EqualFold(known.Code, "TasksOperationsNotAllowed"):
		reason = "Azure allows no ACR Tasks in this subscription, as in those that are free or new: write another " +
			"--builder, or ask Azure's support to allow them"
	case known.Reason == aks.NotFound, known.Reason == aks.Denied:
		reason = known.Message
	default:
		return err
	}
	return &build.UnavailableError{Builder: title, Reason: reason, Err: err}
}

// end is what a run that has ended comes to.
func (r *runs) end(id string, p *acr.RunProperties, told *transcript, repository string) (string, error) {
	what := fmt.Sprintf("run %s of registry %s", id, r.repository.RegistryStr())
	why := strings.TrimRight(fold(value(p.RunErrorMessage)), ".")
	if why != "" {
		why = ": " + why
	}
	see := fmt.Sprintf("see az acr task logs -r %s --run-id %s", r.name, id)
	switch status := value(p.Status); status {
	case acr.RunStatusSucceeded:
		return pushed(p, repository), nil
	case acr.RunStatusFailed:
		if told.failed != nil {
			return "", told.failed
		}
		return "", fmt.Errorf("%s failed%s%s", what, why, r.hint(told, see))
	case acr.RunStatusCanceled:
		return "", fmt.Errorf("%s was canceled in Azure%s: run the command again", what, why)
	case acr.RunStatusTimeout:
		return "", fmt.Errorf("%s took longer than %s%s: %s", what, r.o.Timeout, why, see)
	default:
		return "", fmt.Errorf("%s ended as %s%s: run the command again; %s", what, status, why, see)
	}
}

// hint is what to do about a run that failed in no step of the Dockerfile, and the
// last lines of its log.
func (r *runs) hint(told *transcript, see string) string {
	all := strings.ToLower(strings.Join(told.last, "\n"))
	if strings.Contains(all, "unauthorized") || strings.Contains(all, "denied") {
		see = "images to start from have to be public or in this registry, and a registry with the mode \"RBAC Registry + " +
			"ABAC Repository Permissions\" gives ACR Tasks no right to push: write another --builder"
	}
	said := ""
	for _, line := range told.last {
		said += "\n  " + line
	}
	return ": " + see + said
}

// pushed is the digest that a run pushed to repository, if Azure knows it.
func pushed(p *acr.RunProperties, repository string) string {
	for _, image := range p.OutputImages {
		if image != nil && value(image.Repository) == repository {
			return value(image.Digest)
		}
	}
	return ""
}

// unreachable is the innermost part of what a connection ended with, without the
// address: one of storage is a secret.
func unreachable(err error) string {
	at := (*url.Error)(nil)
	if errors.As(err, &at) {
		return fold(at.Err.Error())
	}
	return fold(err.Error())
}

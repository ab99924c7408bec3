// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cmd

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
	"github.com/kubectl-aml/kubectl-aml/pkg/rollout"
)

// refresh makes the nodes bring the files of the endpoints' routers up to date at
// once.
func (s *Session) refresh(ctx context.Context, endpoints []string) error {
	if len(endpoints) == 0 {
		return nil
	}
	secret, err := s.Kube.CoreV1().Secrets(s.Namespace).Get(ctx, compute.TLSSecret, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, name := range endpoints {
		routers := rollout.NewRouters(s.Kube, s.Namespace, name)
		pods, err := routers.Pods(ctx)
		if err != nil {
			return err
		}
		for _, pod := range pods {
			if err := routers.Touch(ctx, pod.Name, "certificate-"+secret.ResourceVersion); err != nil {
				return err
			}
		}
	}
	return nil
}

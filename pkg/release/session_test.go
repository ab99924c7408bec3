// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package release

import (
	"fmt"
	"slices"
	"testing"

	helmkube "helm.sh/helm/v3/pkg/kube"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"
)

func TestNewNamesTheOwnerOfFieldsAsHelmDoes(t *testing.T) {
	t.Parallel()
	New(nil, Options{})
	if helmkube.ManagedFieldsManager != "helm" {
		t.Errorf("manager is %q", helmkube.ManagedFieldsManager)
	}
}

func TestWarningsOfTheClusterAreLoggedOnce(t *testing.T) {
	t.Parallel()
	var log []string
	getter := &warningGetter{log: func(line string) { log = append(log, line) }}
	getter.HandleWarningHeader(299, "-", "would violate PodSecurity")
	getter.HandleWarningHeader(299, "-", "would violate PodSecurity")
	getter.HandleWarningHeader(199, "-", "not for users")
	getter.HandleWarningHeader(299, "-", "")
	if !slices.Equal(log, []string{"warning: would violate PodSecurity"}) {
		t.Errorf("log is %q", log)
	}
}

// oneConfig is a getter with nothing but a configuration.
type oneConfig struct {
	genericclioptions.RESTClientGetter
	config *rest.Config
}

func (g oneConfig) ToRESTConfig() (*rest.Config, error) { return g.config, nil }

func TestWarningsAreHandledWithoutChangingTheCallersConfig(t *testing.T) {
	t.Parallel()
	theirs := &rest.Config{Host: "https://10.0.0.1"}
	getter := &warningGetter{RESTClientGetter: oneConfig{config: theirs}}
	got, err := getter.ToRESTConfig()
	if err != nil || got.WarningHandler != rest.WarningHandler(getter) || theirs.WarningHandler != nil {
		t.Errorf("got %+v, %v; theirs %+v", got, err, theirs)
	}
}

func TestLinesKeepsTheLastOnes(t *testing.T) {
	t.Parallel()
	l := &lines{}
	for i := range 70 {
		l.add("line\n%d\n", i)
	}
	if all := l.all(); len(all) != 50 || all[0] != "line; 20" || all[49] != fmt.Sprintf("line; %d", 69) {
		t.Errorf("kept %d: %q", len(all), all)
	}
}

// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubectl-aml/kubectl-aml/e2e/cluster"
)

// space is a namespace of one test, where nothing but restricted pods may run,
// and its user, who may do no more than edit there.
type space struct {
	t         *testing.T
	namespace string
	// admin sets the stage and looks; the plugin never uses it.
	admin      kubernetes.Interface
	adminREST  *rest.Config
	kubeconfig string
	// env are variables of the plugin beside the usual ones.
	env []string
}

// spacePrefix begins the name of each space.
const spacePrefix = "e2e-"

// newSpace makes a namespace with its user. Both go with the test, or with the next
// run if this one is killed.
func newSpace(t *testing.T) *space {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv(kubeconfigVar))
	must(t, err)
	config.QPS, config.Burst = 50, 100
	client, err := kubernetes.NewForConfig(config)
	must(t, err)
	ctx := t.Context()
	ns, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: spacePrefix,
		Labels:       map[string]string{"pod-security.kubernetes.io/enforce": "restricted", cluster.RunLabel: os.Getenv(runVar)},
	}}, metav1.CreateOptions{})
	must(t, err)
	t.Cleanup(func() {
		_ = client.CoreV1().Namespaces().Delete(context.WithoutCancel(ctx), ns.Name, metav1.DeleteOptions{})
	})
	s := &space{t: t, namespace: ns.Name, admin: client, adminREST: config}
	s.kubeconfig = s.userConfig(ctx)
	return s
}

// userConfig makes the user and returns a kubeconfig for it.
func (s *space) userConfig(ctx context.Context) string {
	s.t.Helper()
	const user = "deployer"
	accounts := s.admin.CoreV1().ServiceAccounts(s.namespace)
	_, err := accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: user}}, metav1.CreateOptions{})
	must(s.t, err)
	_, err = s.admin.RbacV1().RoleBindings(s.namespace).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edit"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: user, Namespace: s.namespace}},
	}, metav1.CreateOptions{})
	must(s.t, err)
	hours := int64(4 * 3600) // as long as make soak may take
	token, err := accounts.CreateToken(ctx, user, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hours}}, metav1.CreateOptions{})
	must(s.t, err)
	file := filepath.Join(s.t.TempDir(), "kubeconfig")
	must(s.t, clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{"kind": {
			Server: s.adminREST.Host, CertificateAuthorityData: s.adminREST.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{user: {Token: token.Status.Token}},
		Contexts:       map[string]*clientcmdapi.Context{user: {Cluster: "kind", AuthInfo: user, Namespace: s.namespace}},
		CurrentContext: user,
	}, file))
	return file
}

// said is what a run of the plugin printed and ended with.
type said struct {
	out, err string
	code     int
	took     time.Duration
}

// command is the plugin with these arguments, as the space's user.
func (s *space) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, os.Getenv(pluginVar), args...)
	c.Env = append(append(os.Environ(), kubeconfigVar+"="+s.kubeconfig, "HOME="+s.t.TempDir()), s.env...)
	return c
}

// run runs the plugin to its end.
func (s *space) run(args ...string) said {
	s.t.Helper()
	c := s.command(s.t.Context(), args...)
	var out, errOut bytes.Buffer
	c.Stdout, c.Stderr = &out, &errOut
	start := time.Now()
	err := c.Run()
	r := said{out: out.String(), err: errOut.String(), took: time.Since(start)}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.code = exit.ExitCode()
	case err != nil:
		s.t.Fatalf("run %v: %v", args, err)
	}
	return r
}

// ok runs the plugin and ends the test if it fails.
func (s *space) ok(args ...string) said {
	s.t.Helper()
	r := s.run(args...)
	if r.code != 0 {
		s.t.Fatalf("kubectl aml %s ended with %d:\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
	}
	return r
}

// echo deploys the echo model called model as a version.
func (s *space) echo(version, model string, args ...string) said {
	s.t.Helper()
	return s.ok(s.echoArgs(version, model, args...)...)
}

func (s *space) echoArgs(version, model string, args ...string) []string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "name.txt")
	must(s.t, os.WriteFile(file, []byte(model+"\n"), 0o600))
	return append([]string{"deploy", "echo", "--version-name", version, "-m", file,
		"--inference-config", "testdata/echo/inferenceconfig.json",
		"--deploy-config", "testdata/echo/deploymentconfig.json"}, args...)
}

// url is an endpoint's scoring address inside the cluster.
func (s *space) url(name string) string {
	return fmt.Sprintf("http://%s.%s/api/v1/service/%s/score", name, s.namespace, name)
}

// key is the endpoint's first key.
func (s *space) key(name string) string {
	s.t.Helper()
	return strings.Fields(s.ok("keys", "get", name, "-o", "name").out)[0]
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

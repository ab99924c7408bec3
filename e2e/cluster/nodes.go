// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	kind "sigs.k8s.io/kind/pkg/cluster"
)

// Addresses inside the cluster.
const (
	podRange     = "10.244.0.0/16"
	serviceRange = "10.96.0.0/16"
)

// httpNodePort is the NodePort that a port of this machine leads to.
const httpNodePort = 30080

// kindConfig describes the cluster to kind: a control plane, and a worker that
// takes no pod without a toleration, as a pool of GPU nodes has it.
func (s *session) kindConfig(nodeImage string, mounts []v1alpha4.Mount) *v1alpha4.Cluster {
	config := &v1alpha4.Cluster{
		TypeMeta: v1alpha4.TypeMeta{Kind: "Cluster", APIVersion: "kind.x-k8s.io/v1alpha4"},
		Networking: v1alpha4.Networking{
			IPFamily: v1alpha4.IPv4Family, PodSubnet: podRange, ServiceSubnet: serviceRange,
			KubeProxyMode: v1alpha4.IPTablesProxyMode, DisableDefaultCNI: !s.published,
		},
		Nodes: []v1alpha4.Node{
			{
				Role: v1alpha4.ControlPlaneRole, Image: nodeImage, ExtraMounts: mounts,
				ExtraPortMappings: []v1alpha4.PortMapping{{
					ContainerPort: httpNodePort, HostPort: int32(s.opts.HTTPPort), ListenAddress: "127.0.0.1",
				}},
				// kind taints the control plane as soon as there is a worker.
				KubeadmConfigPatches: []string{registration("InitConfiguration", "taints: []"), usePatches},
			},
			{
				Role: v1alpha4.WorkerRole, Image: nodeImage, ExtraMounts: mounts,
				Labels: map[string]string{"accelerator": "nvidia"},
				KubeadmConfigPatches: []string{
					registration("JoinConfiguration", "taints: [{key: sku, value: gpu, effect: NoSchedule}]"),
				},
			},
		},
	}
	if !s.published {
		// Our nodes may run without CAP_SYS_RESOURCE and on cgroup v1.
		config.FeatureGates = map[string]bool{"KubeletInUserNamespace": true}
		config.KubeadmConfigPatches = []string{"kind: KubeletConfiguration\nfailCgroupV1: false\n"}
	}
	return config
}

func registration(kind, setting string) string {
	return fmt.Sprintf("kind: %s\nnodeRegistration:\n  %s\n", kind, setting)
}

func (s *session) provider(log io.Writer) *kind.Provider {
	return kind.NewProvider(kind.ProviderWithDocker(), kind.ProviderWithLogger(logger{log}))
}

// up is cluster, after start.
func (s *session) up(ctx context.Context) (*Cluster, error) {
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	return s.cluster(ctx)
}

// cluster makes sure that the nodes run and that all a pod needs is there.
func (s *session) cluster(ctx context.Context) (*Cluster, error) {
	st, known := s.load()
	touched, err := s.revive(ctx, st, known)
	if err != nil {
		return nil, err
	}
	if st, known = s.load(); !known {
		if st, err = s.create(ctx); err != nil {
			return nil, err
		}
		touched = true
	}
	client, err := s.connect()
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		Name: s.opts.Name, Kubeconfig: s.kubeconfig(), Registry: s.registryHost(),
		docker: s.docker, client: client, subnet: s.subnet, bridge: s.bridge, image: st.NodeImage,
		registry: s.registryName(),
	}
	if c.Kubectl, err = s.kubectl(ctx); err != nil {
		return nil, err
	}
	if err := s.settle(ctx, c, touched); err != nil {
		return nil, err
	}
	c.HTTP, err = s.docker.Do(ctx, "port", s.opts.Name+"-control-plane", fmt.Sprintf("%d/tcp", httpNodePort))
	return c, err
}

// settle brings the nodes to where pods run on them: addresses, routes,
// accelerators.
func (s *session) settle(ctx context.Context, c *Cluster, touched bool) error {
	var since time.Time
	if touched {
		since = s.opts.Clock.Now()
	}
	do := func(ctx context.Context, _ io.Writer) error {
		if err := c.findNodes(ctx); err != nil {
			return err
		}
		if err := c.connectPods(ctx, s.published); err != nil {
			return err
		}
		if touched {
			if err := c.countEscapes(ctx); err != nil {
				return err
			}
		}
		if err := c.waitReady(ctx, since); err != nil {
			return err
		}
		return c.addAccelerators(ctx)
	}
	if !touched {
		s.store.Say("cluster %s … running", s.opts.Name)
		return do(ctx, io.Discard)
	}
	return s.store.Watch(ctx, "cluster "+s.opts.Name+": network", "ready", do)
}

// revive starts the nodes that there are, or deletes what cannot be started:
// then it forgets the state. It tells whether it started anything.
func (s *session) revive(ctx context.Context, st state, known bool) (bool, error) {
	nodes, err := s.provider(io.Discard).ListNodes(s.opts.Name)
	if err != nil {
		return false, fmt.Errorf("list the nodes of cluster %s: %w", s.opts.Name, err)
	}
	if len(nodes) == 0 {
		return false, s.forget()
	}
	touched := false
	if known && st.Complete && len(nodes) == 2 {
		// Another release of the suite may have made the nodes.
		if _, err := s.writeMounts(); err != nil {
			return false, err
		}
		for _, n := range nodes {
			_, running, err := s.docker.Running(ctx, n.String())
			if err != nil {
				return false, err
			}
			if !running {
				touched = true
				if _, err := s.docker.Do(ctx, "start", n.String()); err != nil {
					return false, err
				}
			}
		}
		if s.answers(ctx, touched) == nil {
			return touched, nil
		}
	}
	remove := func(_ context.Context, log io.Writer) error {
		return errors.Join(s.provider(log).Delete(s.opts.Name, s.kubeconfig()), s.forget())
	}
	return false, s.store.Watch(ctx, "cluster "+s.opts.Name+": not usable", "deleted", remove)
}

// answers is nil once the cluster answers with the kubeconfig that we have.
func (s *session) answers(ctx context.Context, started bool) error {
	client, err := s.connect()
	if err != nil {
		return err
	}
	patience := 10 * time.Second
	if started {
		patience = 2 * time.Minute
	}
	return poll(ctx, patience, func(ctx context.Context) error { return ready(ctx, client) })
}

func ready(ctx context.Context, client kubernetes.Interface) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

func (s *session) forget() error {
	return os.RemoveAll(s.folder())
}

// create makes the nodes. What it leaves when it is cut off has a state that is
// not complete.
func (s *session) create(ctx context.Context) (state, error) {
	nodeImage, err := s.nodeImage(ctx)
	if err != nil {
		return state{}, err
	}
	mounts, err := s.writeMounts()
	if err != nil {
		return state{}, err
	}
	config := s.kindConfig(nodeImage, mounts)
	st := state{Published: s.published, NodeImage: nodeImage}
	if err := s.save(st); err != nil {
		return state{}, err
	}
	err = s.store.Watch(ctx, "cluster "+s.opts.Name+": nodes", "made", func(ctx context.Context, log io.Writer) error {
		made := make(chan error, 1)
		go func() {
			made <- s.provider(log).Create(s.opts.Name, kind.CreateWithV1Alpha4Config(config),
				kind.CreateWithKubeconfigPath(s.kubeconfig()),
				kind.CreateWithDisplayUsage(false), kind.CreateWithDisplaySalutation(false))
		}()
		select {
		case err := <-made:
			return err
		case <-ctx.Done():
			// kind takes no context. The nodes that it makes after this are found
			// half-made by the next run.
			return context.Cause(ctx)
		}
	})
	if err != nil {
		return state{}, err
	}
	st.Complete = true
	return st, s.save(st)
}

// kubectl is the path of a kubectl: the one built for the nodes, which is of
// their release, otherwise the user's; "" where there is none.
func (s *session) kubectl(ctx context.Context) (string, error) {
	if s.published {
		found, err := exec.LookPath("kubectl")
		if err != nil {
			found = ""
		}
		return found, nil
	}
	built, err := s.book.Kubectl(ctx)
	if err != nil {
		return "", err
	}
	link := filepath.Join(s.opts.CacheDir, "bin", "kubectl")
	if target, err := os.Readlink(link); err == nil && target == built {
		return link, nil
	}
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return "", err
	}
	next := link + ".next"
	return link, errors.Join(ignoreMissing(os.Remove(next)), os.Symlink(built, next), os.Rename(next, link))
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// poll tries again until it works, for at most that long; the error is the last.
func poll(ctx context.Context, patience time.Duration, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(250 * time.Millisecond):
		}
	}
}

package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

//go:embed stages.yaml
var stages []byte

// patience bounds the start of each part.
const patience = 2 * time.Minute

// cluster is a control plane that is being started, or runs.
type cluster struct {
	dir        string
	began      time.Time
	pki        *pki
	parts      []*part
	etcdURL    string
	server     string
	kubelet    string
	kubernetes kubernetes.Interface
}

// up starts a control plane in a folder, prints where its kubeconfig is once it can take work, and runs until it is told to
// stop: by a signal, or by the end of a pipe on its standard input.
func up(args []string) error {
	if len(args) != 1 {
		return errors.New(usage)
	}
	dir, err := filepath.Abs(args[0])
	if err != nil {
		return err
	}
	c := &cluster{dir: dir, began: time.Now()}
	defer c.kill()
	for _, step := range []func() error{c.files, c.etcd, c.apiserver, c.others, c.seed} {
		if err := step(); err != nil {
			return err
		}
	}
	fmt.Printf("KUBECONFIG=%s\n", c.path("kubeconfig"))
	return c.serve()
}

func (c *cluster) path(name string) string { return filepath.Join(c.dir, name) }

// kill ends the parts; nothing in them is worth a slow goodbye.
func (c *cluster) kill() {
	for i := len(c.parts) - 1; i >= 0; i-- {
		_ = c.parts[i].cmd.Process.Kill()
	}
}

func (c *cluster) serve() error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	if info, err := os.Stdin.Stat(); err == nil && info.Mode()&os.ModeNamedPipe != 0 {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop <- syscall.SIGTERM
		}()
	}
	ended := make(chan error, len(c.parts))
	for _, p := range c.parts {
		go func() { ended <- fmt.Errorf("%s has ended: %v; see %s.log", p.name, <-p.ended, p.name) }()
	}
	select {
	case <-stop:
		return nil
	case err := <-ended:
		return err
	}
}

// files makes the folder, the certificates and the kubeconfigs.
func (c *cluster) files() (err error) {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	if c.pki, err = newPKI(c.path("pki")); err != nil {
		return err
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	if c.kubelet, err = freeAddress(); err != nil {
		return err
	}
	c.server = "https://" + address
	for _, k := range []struct{ file, subject, organization string }{
		{"kubeconfig", "admin", "system:masters"},
		{"controllers.kubeconfig", "system:kube-controller-manager", ""},
		{"scheduler.kubeconfig", "system:kube-scheduler", ""},
		{"kwok.kubeconfig", "kwok", "system:masters"},
	} {
		if err := c.pki.kubeconfig(c.path(k.file), c.server, k.subject, k.organization); err != nil {
			return err
		}
	}
	err = errors.Join(
		c.pki.issue("apiserver", "kube-apiserver", "", true),
		c.pki.issue("kubelet", "kwok-kubelet", "", true),
		c.pki.issue("kubelet-client", "kube-apiserver-kubelet-client", "", false),
		os.WriteFile(c.path("stages.yaml"), stages, 0o600),
		// What is answered when the log of a pod is asked for.
		os.WriteFile(c.path("pod.log"), []byte(time.Now().UTC().Format(time.RFC3339Nano)+" stdout F hello from kwok\n"), 0o600),
	)
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", c.path("kubeconfig"))
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 100, 200
	c.kubernetes, err = kubernetes.NewForConfig(config)
	return err
}

func (c *cluster) start(name string, args ...string) error {
	p, err := start(c.dir, name, args...)
	if err == nil {
		c.parts = append(c.parts, p)
	}
	return err
}

func (c *cluster) etcd() error {
	clients, err := freeAddress()
	if err != nil {
		return err
	}
	peers, err := freeAddress()
	if err != nil {
		return err
	}
	clientURL, peerURL := "http://"+clients, "http://"+peers
	if err := c.start("etcd",
		"--name=t", "--data-dir="+c.path("etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls="+clientURL, "--advertise-client-urls="+clientURL,
		"--listen-peer-urls="+peerURL, "--initial-advertise-peer-urls="+peerURL, "--initial-cluster=t="+peerURL,
	); err != nil {
		return err
	}
	c.etcdURL = clientURL
	// Not before etcd listens: the API server's first failed dial costs seconds.
	return c.until("etcd listens", patience, func() bool {
		conn, err := net.DialTimeout("tcp", clients, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

func (c *cluster) apiserver() error {
	if err := c.start("apiserver",
		"--etcd-servers="+c.etcdURL, "--bind-address=127.0.0.1", "--secure-port="+port(c.server[len("https://"):]),
		"--tls-cert-file="+c.pki.path("apiserver.crt"), "--tls-private-key-file="+c.pki.path("apiserver.key"),
		"--client-ca-file="+c.pki.path("ca.crt"), "--authorization-mode=Node,RBAC", "--service-cluster-ip-range=10.96.0.0/16",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+c.pki.path("sa.pub"), "--service-account-signing-key-file="+c.pki.path("sa.key"),
		"--endpoint-reconciler-type=none", // a loopback address may not be an endpoint
		"--kubelet-client-certificate="+c.pki.path("kubelet-client.crt"), "--kubelet-client-key="+c.pki.path("kubelet-client.key"),
		"--kubelet-certificate-authority="+c.pki.path("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
		"--allow-privileged=true",
	); err != nil {
		return err
	}
	return c.until("API server ready", patience, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_, err := c.kubernetes.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return err == nil
	})
}

// others starts controllers, scheduler and the simulated kubelets.
func (c *cluster) others() error {
	controllers, err := freeAddress()
	if err != nil {
		return err
	}
	scheduler, err := freeAddress()
	if err != nil {
		return err
	}
	return errors.Join(
		c.start("controllers",
			"--kubeconfig="+c.path("controllers.kubeconfig"), "--leader-elect=false",
			"--bind-address=127.0.0.1", "--secure-port="+port(controllers),
			"--service-account-private-key-file="+c.pki.path("sa.key"), "--root-ca-file="+c.pki.path("ca.crt"),
			"--cluster-signing-cert-file="+c.pki.path("ca.crt"), "--cluster-signing-key-file="+c.pki.path("ca.key"),
			"--use-service-account-credentials=true",
			"--enable-hostpath-provisioner=true", // volumes for classes of kubernetes.io/host-path
			"--pvclaimbinder-sync-period=2s",
			"--node-monitor-period=500ms",                 // takes the not-ready taint off new nodes sooner
			"--kube-api-qps=500", "--kube-api-burst=1000", // the defaults make its start take seconds
		),
		c.start("scheduler",
			"--kubeconfig="+c.path("scheduler.kubeconfig"), "--leader-elect=false",
			"--bind-address=127.0.0.1", "--secure-port="+port(scheduler),
		),
		c.start("kwok",
			"--kubeconfig="+c.path("kwok.kubeconfig"), "--manage-all-nodes=true",
			"--config="+c.path("stages.yaml"), "--node-lease-duration-seconds=40",
			"--node-ip=127.0.0.1", "--cidr=10.244.0.0/16",
			"--node-port="+port(c.kubelet), "--server-address="+c.kubelet,
			"--tls-cert-file="+c.pki.path("kubelet.crt"), "--tls-private-key-file="+c.pki.path("kubelet.key"),
		),
	)
}

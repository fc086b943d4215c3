package helm

import (
	"bytes"
	"fmt"
	"io"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	kubefake "helm.sh/helm/v3/pkg/kube/fake"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"

	"llmhub/deployer"
)

// supports refuses a chart that wants another version of Kubernetes.
func supports(c *chart.Chart, version string) error {
	if want := c.Metadata.KubeVersion; want != "" && !chartutil.IsCompatibleRange(want, version) {
		return &deployer.Reason{Code: deployer.KubeVersion, Detail: bounded(fmt.Sprintf("the chart wants Kubernetes %s, this is %s", want, version))}
	}
	return nil
}

// render renders without a cluster.
func render(q renderRequest) message {
	vals, hide, err := q.Values.parse()
	if err != nil {
		return failure(err, nil)
	}
	c, err := load(q.Chart.Files)
	if err != nil {
		return failure(err, hide)
	}
	version, err := chartutil.ParseKubeVersion(q.KubeVersion)
	if err != nil {
		return failure(lost("the version of Kubernetes cannot be read"), hide)
	}
	if err := supports(c, version.Version); err != nil {
		return failure(err, hide)
	}
	// Helm's own client-only mode adds all versions of the API that it knows to those of the cluster, so that a chart would be
	// rendered otherwise than it is installed. A dry run on what takes the place of a cluster does not.
	i := action.NewInstall(&action.Configuration{
		Releases: storage.Init(driver.NewMemory()), KubeClient: &kubefake.PrintingKubeClient{Out: io.Discard}, Log: func(string, ...any) {},
		Capabilities: &chartutil.Capabilities{KubeVersion: *version, APIVersions: q.APIVersions, HelmVersion: chartutil.DefaultCapabilities.HelmVersion},
	})
	i.DryRun, i.DryRunOption, i.IncludeCRDs, i.IsUpgrade = true, "client", true, q.Upgrade
	i.ReleaseName, i.Namespace = q.Release, q.Namespace
	rel, err := i.Run(c, vals)
	if err != nil {
		return message{Reason: hide.reason(renderReason(err))}
	}
	out := bytes.NewBufferString(rel.Manifest)
	for _, h := range rel.Hooks {
		fmt.Fprintf(out, "---\n# Source: %s\n%s\n", h.Path, h.Manifest)
	}
	if out.Len() > maxRenderedBytes {
		return message{Reason: tooMuch()}
	}
	return message{Manifests: out.Bytes()}
}

func tooMuch() *deployer.Reason {
	return &deployer.Reason{Code: deployer.RenderLimit, Detail: fmt.Sprintf("more than %d MiB", maxRenderedBytes>>20)}
}

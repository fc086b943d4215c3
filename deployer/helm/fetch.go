package helm

import (
	"context"
	"fmt"

	"llmhub/catalog"
	"llmhub/deployer"
)

// fetch gets a chart and looks at whether it is the one that is asked for.
func fetch(ctx context.Context, q fetchRequest) message {
	files, digest := q.Files, q.Digest
	if q.Kind == catalog.ChartRepository || q.Kind == catalog.ChartOCI {
		var err error
		if files, digest, err = download(ctx, q); err != nil {
			return failure(err, nil)
		}
	}
	c, err := load(files)
	if err != nil {
		return failure(err, nil)
	}
	if q.Name != "" && (c.Name() != q.Name || c.Metadata.Version != q.Version) {
		return failure(&deployer.Reason{Code: deployer.ChartInvalid, Detail: fmt.Sprintf("it is %.60q of version %.60q in place of %q of version %q", c.Name(), c.Metadata.Version, q.Name, q.Version)}, nil)
	}
	return message{Chart: &deployer.Chart{Name: c.Name(), Version: c.Metadata.Version, AppVersion: c.Metadata.AppVersion, Digest: digest, Files: files}}
}

// download gets the archive of a chart, and unpacks it if its digest is the one that is demanded.
func download(ctx context.Context, q fetchRequest) ([]catalog.ChartFile, string, error) {
	ctx, cancel := context.WithTimeout(ctx, q.Timeout)
	defer cancel()
	d := newDownloader(q.PlainHTTP)
	var packed []byte
	var err error
	if q.Kind == catalog.ChartOCI {
		packed, err = d.fromRegistry(ctx, q.URL, q.Version)
	} else {
		packed, err = d.fromRepository(ctx, q.URL, q.Name, q.Version)
	}
	if err != nil {
		return nil, "", err
	}
	if q.Digest != "" && digestOf(packed) != q.Digest {
		return nil, "", &deployer.Reason{Code: deployer.ChartDigest, Detail: "it is " + digestOf(packed) + " in place of " + q.Digest}
	}
	files, digest, err := catalog.UnpackChart(packed)
	if err != nil {
		return nil, "", &deployer.Reason{Code: deployer.ChartInvalid, Detail: bounded(err.Error())}
	}
	return files, digest, nil
}

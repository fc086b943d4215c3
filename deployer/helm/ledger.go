package helm

import (
	"errors"
	"maps"
	"sync"

	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
)

// LabelOperation is the label of a revision's Secret that names the operation which made it.
const LabelOperation = "llmhub.operation"

var errClosed = errors.New("the operation has been cancelled")

// ledger is where Helm keeps the revisions of a release. It labels those that are made, since Helm itself gives a rollback
// the labels of the revision that it goes back to. Once closed it takes nothing more, so that what goes on in the background
// after a cancellation cannot write over the outcome.
type ledger struct {
	driver.Driver
	operation string
	mu        sync.Mutex
	closed    bool
}

// Create keeps a new revision.
func (l *ledger) Create(key string, r *release.Release) error {
	return l.write(func() error {
		labels := maps.Clone(r.Labels)
		if labels == nil {
			labels = map[string]string{}
		}
		for _, k := range driver.GetSystemLabels() {
			delete(labels, k)
		}
		labels[LabelOperation] = l.operation
		r.Labels = labels
		return l.Driver.Create(key, r)
	})
}

// Update keeps what has become of a revision.
func (l *ledger) Update(key string, r *release.Release) error {
	return l.write(func() error { return l.Driver.Update(key, r) })
}

// Delete forgets a revision.
func (l *ledger) Delete(key string) (r *release.Release, err error) {
	err = l.write(func() error {
		r, err = l.Driver.Delete(key)
		return err
	})
	return r, err
}

func (l *ledger) write(f func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	return f()
}

// close makes an end to writing, and waits for what is being written.
func (l *ledger) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
}

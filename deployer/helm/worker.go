package helm

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/kube"

	"llmhub/deployer"
)

// Main is what the process of Options.Command does: it reads what is asked from in, does it, and writes how it goes and what
// came of it to out. It returns the exit code. The process ends at once when in does, so that none outlives its parent.
//
// It changes the limits and the signals of the process, which must not do anything else.
func Main(in io.Reader, out io.Writer) int {
	// The parent says when to end. A service manager and a terminal send signals to all processes of the service.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	loader.MaxDecompressedChartSize, loader.MaxDecompressedFileSize = 16<<20, 4<<20
	kube.ManagedFieldsManager = userAgent
	w := &worker{out: json.NewEncoder(out)}
	if err := limit(); err != nil {
		w.finish(message{Reason: lost(fmt.Sprintf("limits cannot be set: %s", err))})
		return 1
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	d := json.NewDecoder(io.LimitReader(in, maxRequestBytes))
	var q request
	if err := d.Decode(&q); err != nil {
		w.finish(message{Reason: lost("the request is too large or cannot be read")})
		return 1
	}
	go func() {
		var word string
		for d.Decode(&word) == nil {
			cancel()
		}
		os.Exit(1)
	}()
	w.finish(w.answer(ctx, q))
	return 0
}

// worker is the child's side of the pipe. tell and finish may be called concurrently.
type worker struct {
	mu       sync.Mutex
	out      *json.Encoder
	finished bool
}

// tell sends that a stage has been reached.
func (w *worker) tell(s deployer.Stage) { w.send(message{Stage: s}) }

// finish sends the last message; what comes after it is not sent.
func (w *worker) finish(m message) {
	m.Done = true
	w.send(m)
}

func (w *worker) send(m message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.finished {
		w.finished = m.Done
		_ = w.out.Encode(m)
	}
}

// answer does what is asked. A panic of Helm's is an error like others, but that its text is not told: it may hold anything.
func (w *worker) answer(ctx context.Context, q request) (m message) {
	defer func() {
		if v := recover(); v != nil {
			m = message{Reason: lost(fmt.Sprintf("panic (%T)", v))}
		}
	}()
	switch {
	case q.Fetch != nil:
		return fetch(ctx, *q.Fetch)
	case q.Render != nil:
		return render(*q.Render)
	case q.Look != nil:
		return look(*q.Look)
	case q.Job != nil:
		return w.work(ctx, *q.Job)
	}
	return message{Reason: lost("nothing was asked")}
}

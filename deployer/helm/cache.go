package helm

import (
	"container/list"
	"sync"

	"llmhub/catalog"
	"llmhub/deployer"
)

// maxCacheBytes bounds the charts that are remembered.
const maxCacheBytes = 32 << 20

// charts remembers the charts used last, by digest, so that what was reviewed is not fetched again to be deployed.
type charts struct {
	mu    sync.Mutex
	size  int
	order *list.List // of deployer.Chart, the last used in front
	by    map[string]*list.Element
}

func newCharts() *charts { return &charts{order: list.New(), by: map[string]*list.Element{}} }

// get returns a chart whose digest is demanded. One that has another name is not found here, and refused when it is fetched.
func (c *charts) get(ref catalog.ChartRef) (deployer.Chart, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.by[ref.Digest]
	if !ok {
		return deployer.Chart{}, false
	}
	found := e.Value.(deployer.Chart)
	if ref.Name != "" && (found.Name != ref.Name || found.Version != ref.Version) {
		return deployer.Chart{}, false
	}
	c.order.MoveToFront(e)
	return found, true
}

func (c *charts) put(chart deployer.Chart) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.by[chart.Digest]; ok || size(chart) > maxCacheBytes {
		return
	}
	c.by[chart.Digest] = c.order.PushFront(chart)
	c.size += size(chart)
	for c.size > maxCacheBytes {
		oldest := c.order.Remove(c.order.Back()).(deployer.Chart)
		delete(c.by, oldest.Digest)
		c.size -= size(oldest)
	}
}

func size(c deployer.Chart) int {
	n := 0
	for _, f := range c.Files {
		n += len(f.Name) + len(f.Data)
	}
	return n
}

package helm

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"

	"llmhub/deployer"
)

// cancelGrace is what a child has to mark a release as failed, before it is killed.
const cancelGrace = deployer.StopTime - 2*time.Second

// inherited are the variables of the environment that children get: how the network is reached.
var inherited = []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"}

// child is a process that runs Main.
type child struct {
	process *os.Process
	in      *os.File
	// messages ends when the child has closed its output or sends what is no message, after which malformed may be read.
	messages  chan message
	malformed bool
	// exited gets how the process ended, once. sent is closed when the request has been written, or cannot be.
	exited chan string
	sent   chan struct{}
}

// start starts a child and sends it a request. The child is to be let go with end.
func start(command []string, q request) (*child, error) {
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, theirIn.Close(), in.Close())
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Env, cmd.Dir, cmd.SysProcAttr = theirIn, theirOut, environment(), "/", processAttributes()
	c := &child{in: in, messages: make(chan message), exited: make(chan string, 1), sent: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel takes the death of the thread that has started a process for that of its parent.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			c.exited <- cmd.ProcessState.String()
		}
	}()
	err = <-started
	_, _ = theirIn.Close(), theirOut.Close()
	if err != nil {
		return nil, errors.Join(err, in.Close(), out.Close())
	}
	c.process = cmd.Process
	go c.send(q)
	go c.read(out)
	return c, nil
}

func environment() []string {
	env := []string{"GOTRACEBACK=none"}
	for _, name := range inherited {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// send writes the request. A child that has died is found out by its output.
func (c *child) send(q request) {
	defer close(c.sent)
	_ = json.NewEncoder(c.in).Encode(q)
}

func (c *child) read(out *os.File) {
	defer close(c.messages)
	defer out.Close()
	d := json.NewDecoder(io.LimitReader(out, maxReplyBytes))
	for range maxMessages {
		var m message
		if err := d.Decode(&m); err != nil {
			c.malformed = !errors.Is(err, io.EOF)
			return
		}
		c.messages <- m
	}
	c.malformed = true
}

// cancel asks the child to come to an end.
func (c *child) cancel() {
	_ = c.in.SetWriteDeadline(time.Now().Add(time.Second)) // a child that does not read is killed soon
	_ = json.NewEncoder(c.in).Encode(cancelled)
}

func (c *child) kill() { _ = c.process.Kill() }

// end makes sure that the child is no more, and says how it ended.
func (c *child) end() string {
	c.kill()
	how := <-c.exited
	for range c.messages {
	}
	_ = c.in.Close()
	<-c.sent
	return how
}

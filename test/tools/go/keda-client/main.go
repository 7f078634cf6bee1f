// keda-client calls an external scaler as KEDA's operator does: over grpc-go, with no deadline, keepalive or retry unless
// a test asks for one. Commands come in as lines of JSON, answers and events go out as lines of JSON
// (test/conformance/go-client.ts is the other end). Messages are built from the .proto file that is named at the start.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// One line in. Op decides which fields count.
type command struct {
	Id         int             `json:"id"`
	Op         string          `json:"op"`
	Conn       string          `json:"conn"`
	Address    string          `json:"address"`
	Tls        *tlsFiles       `json:"tls"`
	PingMs     int             `json:"pingMs"`
	Method     string          `json:"method"`
	Request    json.RawMessage `json:"request"`
	Raw        []byte          `json:"raw"`
	DeadlineMs int             `json:"deadlineMs"`
	CancelMs   float64         `json:"cancelMs"`
	// stream: opened at once, each with its own id, from Id upwards.
	Count  int  `json:"count"`
	Unread bool `json:"unread"`
	// cancel: streams From to To.
	From int `json:"from"`
	To   int `json:"to"`
	// load
	Rate    int               `json:"rate"`
	Seconds float64           `json:"seconds"`
	Calls   []json.RawMessage `json:"calls"`
}

// One line out: the answer to the command or the news of the stream with this id.
type event struct {
	Id      int             `json:"id"`
	T       string          `json:"t"`
	Message json.RawMessage `json:"message,omitempty"`
	Raw     []byte          `json:"raw,omitempty"`
	Code    string          `json:"code,omitempty"`
	Details string          `json:"details,omitempty"`
	// Wall time in ms, to be compared with that of a process on the same machine.
	At float64 `json:"at"`
	// load
	Ms    []float64      `json:"ms,omitempty"`
	Codes map[string]int `json:"codes,omitempty"`
}

type client struct {
	contract *contract
	out      *bufio.Writer
	outLock  sync.Mutex
	lock     sync.Mutex
	conns    map[string]*grpc.ClientConn
	cancels  map[int]context.CancelFunc
}

func main() {
	contract, err := loadContract(os.Args[1])
	if err != nil {
		panic(err)
	}
	c := &client{
		contract: contract,
		out:      bufio.NewWriter(os.Stdout),
		conns:    map[string]*grpc.ClientConn{},
		cancels:  map[int]context.CancelFunc{},
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var cmd command
		if err := json.Unmarshal(lines.Bytes(), &cmd); err != nil {
			panic(err)
		}
		c.run(cmd)
	}
}

func (c *client) run(cmd command) {
	switch cmd.Op {
	case "dial":
		conn, err := dial(cmd)
		if err == nil {
			c.lock.Lock()
			c.conns[cmd.Conn] = conn
			c.lock.Unlock()
		}
		c.ended(cmd.Id, nil, err)
	case "close":
		c.conn(cmd).Close()
		c.ended(cmd.Id, nil, nil)
	case "unary":
		go c.unary(cmd)
	case "health":
		go c.health(cmd)
	case "stream":
		c.streams(cmd)
	case "cancel":
		c.cancel(cmd)
	case "load":
		go c.load(cmd)
	default:
		panic("no such op: " + cmd.Op)
	}
}

func (c *client) conn(cmd command) *grpc.ClientConn {
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.conns[cmd.Conn]
}

func (c *client) unary(cmd command) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if cmd.DeadlineMs > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(cmd.DeadlineMs)*time.Millisecond)
		defer cancel()
	}
	if cmd.CancelMs > 0 {
		time.AfterFunc(time.Duration(cmd.CancelMs*float64(time.Millisecond)), cancel)
	}
	answer, err := c.call(ctx, c.conn(cmd), cmd.Method, cmd.Request, cmd.Raw)
	c.ended(cmd.Id, answer, err)
}

// health asks as kubelet's grpc probe does; Method is the service's name.
func (c *client) health(cmd command) {
	request := &grpc_health_v1.HealthCheckRequest{Service: cmd.Method}
	response, err := grpc_health_v1.NewHealthClient(c.conn(cmd)).Check(context.Background(), request)
	if err != nil {
		c.ended(cmd.Id, nil, err)
		return
	}
	c.send(event{Id: cmd.Id, T: "ended", Code: "OK", Details: response.Status.String()})
}

// streams opens cmd.Count of them in order on one connection: the server sees them in this order.
func (c *client) streams(cmd command) {
	conn := c.conn(cmd)
	for i := range max(cmd.Count, 1) {
		id := cmd.Id + i
		ctx, cancel := context.WithCancel(context.Background())
		c.lock.Lock()
		c.cancels[id] = cancel
		c.lock.Unlock()
		stream, err := c.open(ctx, conn, cmd.Method, cmd.Request)
		if err != nil {
			c.ended(id, nil, err)
			continue
		}
		if !cmd.Unread {
			go c.read(id, stream)
		}
	}
}

func (c *client) cancel(cmd command) {
	for id := cmd.From; id <= cmd.To; id++ {
		c.lock.Lock()
		cancel := c.cancels[id]
		delete(c.cancels, id)
		c.lock.Unlock()
		if cancel != nil {
			cancel()
		}
	}
}

func (c *client) ended(id int, answer *answer, err error) {
	s := status.Convert(err)
	e := event{Id: id, T: "ended", Code: codeName(s.Code()), Details: s.Message()}
	if answer != nil {
		e.Message, e.Raw = answer.json, answer.raw
	}
	c.send(e)
}

func (c *client) send(e event) {
	e.At = now()
	line, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	c.outLock.Lock()
	defer c.outLock.Unlock()
	c.out.Write(append(line, '\n'))
	c.out.Flush()
}

func now() float64 {
	return float64(time.Now().UnixMicro()) / 1000
}

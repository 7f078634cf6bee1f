package main

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"google.golang.org/grpc/status"
)

// load makes cmd.Calls in turn, cmd.Rate of them a second whether or not earlier ones were answered, and reports how long
// each took. Without a rate all are made at once, each once.
func (c *client) load(cmd command) {
	conn := c.conn(cmd)
	var lock sync.Mutex
	var calls sync.WaitGroup
	result := event{Id: cmd.Id, T: "ended", Codes: map[string]int{}}
	call := func(line json.RawMessage) {
		var one struct {
			Method  string          `json:"method"`
			Request json.RawMessage `json:"request"`
		}
		if err := json.Unmarshal(line, &one); err != nil {
			panic(err)
		}
		calls.Go(func() {
			startedAt := time.Now()
			_, err := c.call(context.Background(), conn, one.Method, one.Request, nil)
			took := float64(time.Since(startedAt).Microseconds()) / 1000
			lock.Lock()
			defer lock.Unlock()
			result.Ms = append(result.Ms, took)
			result.Codes[codeName(status.Code(err))]++
		})
	}
	if cmd.Rate == 0 {
		for _, line := range cmd.Calls {
			call(line)
		}
	} else {
		tick := time.NewTicker(time.Second / time.Duration(cmd.Rate))
		defer tick.Stop()
		for i := range int(float64(cmd.Rate) * cmd.Seconds) {
			<-tick.C
			call(cmd.Calls[i%len(cmd.Calls)])
		}
	}
	calls.Wait()
	c.send(result)
}

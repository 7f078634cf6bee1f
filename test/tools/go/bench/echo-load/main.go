// echo-load: both ends of many conversations in small messages, to find out how many of them a proxy passes on.
//
// It prints {"port": n}, where its daemon listens. For each line {"port", "connections", "bytes", "seconds"} on its
// standard input, it connects that often to that port, opens HTTP/2 as a build does, and then sends messages of so many
// bytes, each as soon as the last one has come back, for so long; it prints {"messages", "seconds"}.
//
// One thread and epoll, without Go's scheduler: a generator that is slower than the proxies measures itself.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"runtime"
	"syscall"
	"time"

	"tools/bench/opening"
)

type request struct {
	Port        int
	Connections int
	Bytes       int
	Seconds     float64
}

type result struct {
	Messages int     `json:"messages"`
	Seconds  float64 `json:"seconds"`
}

type role int

const (
	listener role = iota
	// The daemon's end: opens as buildkitd does, then sends everything back.
	welcoming
	echoing
	// The client's end.
	asking
	talking
)

type end struct {
	role role
	// What came while the connection was opened.
	opened []byte
	// Bytes of the message under way that have come back.
	returned int
}

type load struct {
	epoll  int
	ends   map[int]*end
	buffer [64 * 1024]byte

	message  []byte
	talking  int
	messages int
}

func main() {
	log.SetFlags(0)
	runtime.LockOSThread()
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	check(err)
	l := &load{epoll: epoll, ends: map[int]*end{}}
	fmt.Printf("{\"port\":%d}\n", l.listen())
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var r request
		check(json.Unmarshal(lines.Bytes(), &r))
		answer, err := json.Marshal(l.run(r))
		check(err)
		fmt.Printf("%s\n", answer)
	}
}

func (l *load) listen() int {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	check(err)
	check(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	check(syscall.Listen(fd, 1024))
	l.add(fd, &end{role: listener})
	address, err := syscall.Getsockname(fd)
	check(err)
	return address.(*syscall.SockaddrInet4).Port
}

func (l *load) run(r request) result {
	l.message = make([]byte, r.Bytes)
	l.talking = 0
	for range r.Connections {
		l.connect(r.Port)
	}
	patience := time.Now().Add(10 * time.Second)
	for l.talking < r.Connections {
		if time.Now().After(patience) {
			log.Fatalf("%d of %d connections were opened", l.talking, r.Connections)
		}
		l.poll()
	}
	l.messages = 0
	start := time.Now()
	for time.Since(start).Seconds() < r.Seconds {
		l.poll()
	}
	done := result{l.messages, time.Since(start).Seconds()}
	for fd, e := range l.ends {
		if e.role != listener {
			l.close(fd)
		}
	}
	return done
}

func (l *load) connect(port int) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	check(err)
	check(syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}))
	noDelay(fd)
	l.add(fd, &end{role: asking})
	l.write(fd, opening.Preface, opening.Settings, opening.FirstRequest)
}

func (l *load) poll() {
	var events [256]syscall.EpollEvent
	n, err := syscall.EpollWait(l.epoll, events[:], 100)
	if err == syscall.EINTR {
		return
	}
	check(err)
	for _, event := range events[:n] {
		fd := int(event.Fd)
		if e, open := l.ends[fd]; open {
			l.ready(fd, e)
		}
	}
}

func (l *load) ready(fd int, e *end) {
	if e.role == listener {
		accepted, _, err := syscall.Accept(fd)
		check(err)
		noDelay(accepted)
		l.add(accepted, &end{role: welcoming})
		l.write(accepted, opening.DaemonSettings, opening.SettingsAck)
		return
	}
	n, err := syscall.Read(fd, l.buffer[:])
	if n <= 0 || err != nil {
		if e.role == asking || e.role == talking {
			log.Fatalf("a connection ended: %v", err)
		}
		l.close(fd)
		return
	}
	bytes := l.buffer[:n]
	switch e.role {
	case welcoming:
		e.opened = append(e.opened, bytes...)
		if _, after, ok := opening.AfterRawFromHere(e.opened); ok {
			e.role = echoing
			l.write(fd, after)
		}
	case echoing:
		l.write(fd, bytes)
	case asking:
		e.opened = append(e.opened, bytes...)
		if opening.Acknowledged(e.opened) {
			e.role = talking
			l.talking++
			l.write(fd, opening.SettingsAck, opening.SettingsAck, opening.RawFromHere(nil), l.message)
		}
	case talking:
		e.returned += n
		if e.returned >= len(l.message) {
			e.returned -= len(l.message)
			l.messages++
			l.write(fd, l.message)
		}
	}
}

// write sends small things only: they always fit in the socket's buffer. Whose peer is gone is found out by reading.
func (l *load) write(fd int, parts ...[]byte) {
	for _, bytes := range parts {
		if n, err := syscall.Write(fd, bytes); err == nil && n != len(bytes) {
			log.Fatalf("%d of %d bytes were taken", n, len(bytes))
		}
	}
}

func (l *load) add(fd int, e *end) {
	l.ends[fd] = e
	check(syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}))
}

func (l *load) close(fd int) {
	delete(l.ends, fd)
	syscall.Close(fd)
}

func noDelay(fd int) {
	check(syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

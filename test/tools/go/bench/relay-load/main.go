// relay-load: both ends of one bulk transfer, to find out how fast a proxy passes bytes on.
//
// It prints {"port": n}, where its daemon listens. For each line {"port", "direction", "bytes"} on its standard input,
// it connects to that port, opens HTTP/2 as a build does, and moves so many raw bytes "up" to the daemon or "down" from
// it; it prints {"seconds"}, from the command to the last byte's arrival.
//
// The ends do as little as they can, or they would measure themselves: the sender writes the same bytes again and again,
// out of the processor's cache, and the receiver throws away what came with MSG_TRUNC (tcp(7)). The sender does not use
// sendfile(2), which takes twice the time of such a write: it lends single pages, where a write fills large ones.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"syscall"
	"time"

	"tools/bench/opening"
)

type request struct {
	Port      int
	Direction string
	Bytes     int
}

const (
	up = iota
	down
)

// What is sent again and again: small enough for the processor's cache.
var sent [256 << 10]byte

// What is thrown away at a time.
const discardedBytes = 1 << 20

// A transfer in which nothing moves for so long is stuck.
var silence = syscall.Timeval{Sec: 10}

func main() {
	log.SetFlags(0)
	listener, port := listen()
	fmt.Printf("{\"port\":%d}\n", port)
	go func() {
		for {
			fd, _, err := syscall.Accept(listener)
			check(err)
			go daemon(fd)
		}
	}()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var r request
		check(json.Unmarshal(lines.Bytes(), &r))
		seconds, err := transfer(r)
		if err != nil {
			log.Fatalf("%s: %v", lines.Text(), err)
		}
		fmt.Printf("{\"seconds\":%.6f}\n", seconds)
	}
}

// The client's end.
func transfer(r request) (seconds float64, err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	check(err)
	defer syscall.Close(fd)
	tune(fd)
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: r.Port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	if err := write(fd, opening.Preface, opening.Settings, opening.FirstRequest); err != nil {
		return 0, err
	}
	var received []byte
	for !opening.Acknowledged(received) {
		if received, err = readMore(fd, received); err != nil {
			return 0, err
		}
	}
	command := []byte{up}
	if r.Direction == "down" {
		command[0] = down
	}
	command = binary.BigEndian.AppendUint64(command, uint64(r.Bytes))
	start := time.Now()
	if err := write(fd, opening.SettingsAck, opening.SettingsAck, opening.RawFromHere(command)); err != nil {
		return 0, err
	}
	if command[0] == down {
		err = discard(fd, r.Bytes)
	} else if err = send(fd, r.Bytes); err == nil {
		err = discard(fd, 1)
	}
	return time.Since(start).Seconds(), err
}

// The daemon's end: opens as buildkitd does, then does what the client's command says. Its client tells what went wrong.
func daemon(fd int) {
	defer syscall.Close(fd)
	tune(fd)
	err := write(fd, opening.DaemonSettings, opening.SettingsAck)
	var received []byte
	for err == nil {
		if command, after, ok := opening.AfterRawFromHere(received); ok {
			bytes := int(binary.BigEndian.Uint64(command[1:]))
			if command[0] == down {
				_ = send(fd, bytes)
			} else if discard(fd, bytes-len(after)) == nil {
				// Everything has arrived.
				_ = write(fd, []byte("!"))
			}
			// Until the client leaves.
			_ = discard(fd, 1)
			return
		}
		received, err = readMore(fd, received)
	}
}

func send(fd, bytes int) error {
	for bytes > 0 {
		n, err := syscall.Write(fd, sent[:min(bytes, len(sent))])
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		bytes -= n
	}
	return nil
}

func discard(fd, bytes int) error {
	// Its bytes are never written to: it only tells how many to throw away.
	var room [discardedBytes]byte
	for bytes > 0 {
		n, _, err := syscall.Recvfrom(fd, room[:min(bytes, discardedBytes)], syscall.MSG_TRUNC)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return syscall.ECONNRESET
		}
		bytes -= n
	}
	return nil
}

func readMore(fd int, received []byte) ([]byte, error) {
	var room [4096]byte
	n, err := syscall.Read(fd, room[:])
	if err == nil && n == 0 {
		err = syscall.ECONNRESET
	}
	if err != nil {
		return received, err
	}
	return append(received, room[:n]...), nil
}

func write(fd int, parts ...[]byte) error {
	for _, bytes := range parts {
		if _, err := syscall.Write(fd, bytes); err != nil {
			return err
		}
	}
	return nil
}

func listen() (fd, port int) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	check(err)
	check(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	check(syscall.Listen(fd, 16))
	address, err := syscall.Getsockname(fd)
	check(err)
	return fd, address.(*syscall.SockaddrInet4).Port
}

func tune(fd int) {
	check(syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1))
	check(syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &silence))
	check(syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &silence))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

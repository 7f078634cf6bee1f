// copy-proxy <daemon port>: the proxy that a Go programmer writes first. io.Copy between two TCP connections moves the
// bytes with splice(2). Prints its port.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"os"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: copy-proxy <daemon port>")
	}
	daemon := net.JoinHostPort("127.0.0.1", os.Args[1])
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("{\"port\":%d}\n", listener.Addr().(*net.TCPAddr).Port)
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(client.(*net.TCPConn), daemon)
	}
}

func serve(client *net.TCPConn, daemon string) {
	defer client.Close()
	connection, err := net.Dial("tcp", daemon)
	if err != nil {
		return
	}
	server := connection.(*net.TCPConn)
	defer server.Close()
	done := make(chan struct{})
	go func() {
		pass(server, client)
		close(done)
	}()
	pass(client, server)
	<-done
}

// pass moves one direction to its end and hands the end on.
func pass(to, from *net.TCPConn) {
	io.Copy(to, from)
	to.CloseWrite()
}

// As a function of HyperFaaS after November 2025: a gRPC service of its own on port 50052, and the word that it is ready to
// the worker at $CONTROLLER_ADDRESS. Its one method answers how that word was taken, and what it was sent.
package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

var (
	outcome string
	told    = make(chan struct{})
)

// A message with one field: number 1, a text.
func message(text string) []byte {
	return append([]byte{0, 0, 0, 0, byte(len(text) + 2), 1<<3 | 2, byte(len(text))}, text...)
}

func signal() string {
	name, _ := os.Hostname()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	client := http.Client{Transport: transport, Timeout: 10 * time.Second}
	request, err := http.NewRequest("POST", "http://"+os.Getenv("CONTROLLER_ADDRESS")+"/worker.Worker/SignalReady", bytes.NewReader(message(name)))
	if err != nil {
		return err.Error()
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("Te", "trailers")
	reply, err := client.Do(request)
	if err != nil {
		return err.Error()
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	return fmt.Sprint(reply.Trailer.Get("Grpc-Status"), " ", len(body), " ", err)
}

func serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
	<-told // Calls may come before its answer has.
	_, _ = w.Write(message(fmt.Sprintf("%s %s %d", outcome, r.URL.Path, len(body))))
	w.Header().Set("Grpc-Status", "0")
}

func main() {
	listener, err := net.Listen("tcp", ":50052")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(serve), Protocols: new(http.Protocols)}
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() {
		outcome = "silent"
		if os.Getenv("SILENT") == "" {
			time.Sleep(50 * time.Millisecond) // Ready is later than listening.
			outcome = signal()
		}
		close(told)
	}()
	log.Fatal(server.Serve(listener))
}

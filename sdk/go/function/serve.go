//go:build !wasip1

package function

import (
	"context"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

const grpcPort = "50052"

// Serve answers calls until the process ends: as a server of HTTP on $PORT, or as HyperFaaS has it.
func Serve() {
	port := os.Getenv("PORT")
	var watch idle
	mux := http.NewServeMux()
	if port == "" && os.Getenv("FUNCTION_ID") != "" {
		port = grpcPort
		go watch.exitAfter(IdleTime)
	}
	mux.HandleFunc("/function.FunctionService/Call", watch.around(serveGrpc))
	mux.HandleFunc("/", watch.around(serveHttp))
	server := &http.Server{Addr: ":" + port, Handler: mux, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	server.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 1 << 20}
	log.Fatal(server.ListenAndServe())
}

// In a goroutine of its own: the server would survive a panic in its own one, and the function shall not.
func answer(ctx context.Context, input []byte) (output []byte, err error) {
	done := make(chan struct{})
	go func() {
		output, err = handler(ctx, input)
		close(done)
	}()
	<-done
	return output, err
}

func serveHttp(w http.ResponseWriter, r *http.Request) {
	input, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	output, err := answer(r.Context(), input)
	if err != nil {
		http.Error(w, strings.TrimSpace(err.Error()), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(output)
}

// Whether there was nothing to do for a while.
type idle struct {
	running atomic.Int64
	used    atomic.Int64
}

func (i *idle) around(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		i.running.Add(1)
		serve(w, r)
		i.used.Store(time.Now().UnixNano())
		i.running.Add(-1)
	}
}

func (i *idle) exitAfter(time_ time.Duration) {
	i.used.Store(time.Now().UnixNano())
	for range time.Tick(time.Second) {
		if i.running.Load() == 0 && time.Since(time.Unix(0, i.used.Load())) >= time_ {
			os.Exit(0)
		}
	}
}

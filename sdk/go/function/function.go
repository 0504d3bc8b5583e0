// Package function is what functions in Go are written with: one handler, bytes in and bytes out, whatever the
// function is built as.
package function

import (
	"context"
	"time"
)

// Handler answers one call. An error fails that call and nothing else; a panic ends the instance.
type Handler func(ctx context.Context, input []byte) ([]byte, error)

var handler Handler = func(context.Context, []byte) ([]byte, error) { return nil, errNoHandler }

// IdleTime is how long a function of HyperFaaS waits for a call until it ends by itself.
var IdleTime = 10 * time.Second

// Handle sets the handler. Call it in init: a WebAssembly function has no main.
func Handle(h Handler) { handler = h }

type constantError string

func (e constantError) Error() string { return string(e) }

const errNoHandler = constantError("the function has no handler: call function.Handle in init")

// Answers with a greeting, whatever it is sent.
package main

import (
	"context"

	"canopy/function"
)

func init() {
	function.Handle(func(context.Context, []byte) ([]byte, error) {
		return []byte("HELLO WORLD!"), nil
	})
}

func main() { function.Serve() }

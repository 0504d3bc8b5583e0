// As a function of HyperFaaS, and ends by itself after a second without a call.
package main

import (
	"context"
	"os"
	"time"

	"canopy/function"
)

func init() {
	function.IdleTime = time.Second
	function.Handle(func(_ context.Context, input []byte) ([]byte, error) {
		if string(input) == "id" {
			return []byte(os.Getenv("FUNCTION_ID")), nil
		}
		return input, nil
	})
}

func main() { function.Serve() }

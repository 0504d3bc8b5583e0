// Crashes after 2 s: to see what becomes of its caller, and of its instance.
package main

import (
	"context"
	"time"

	"canopy/function"
)

func init() {
	function.IdleTime = 2 * time.Minute
	function.Handle(func(context.Context, []byte) ([]byte, error) {
		time.Sleep(2 * time.Second)
		panic("crashed, as it should")
	})
}

func main() { function.Serve() }

// Sleeps for 20 s, and says when it is done.
package main

import (
	"context"
	"time"

	"canopy/function"
)

func init() {
	function.Handle(func(context.Context, []byte) ([]byte, error) {
		time.Sleep(20 * time.Second)
		return []byte("Finished Sleeping"), nil
	})
}

func main() { function.Serve() }

// Takes 100 to 199 ms, as work would that waits for something else.
package main

import (
	"context"
	"crypto/rand"
	"math/big"
	"time"

	"canopy/function"
)

func init() {
	function.Handle(func(context.Context, []byte) ([]byte, error) {
		more, err := rand.Int(rand.Reader, big.NewInt(100))
		if err != nil {
			return nil, err
		}
		time.Sleep(100*time.Millisecond + time.Duration(more.Int64())*time.Millisecond)
		return nil, nil
	})
}

func main() { function.Serve() }

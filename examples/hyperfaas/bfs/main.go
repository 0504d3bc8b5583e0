// Visits a random graph: gob in, gob out.
package main

import (
	"bytes"
	"context"
	"encoding/gob"

	"canopy/function"
	"hyperfaas/graph"
)

func bfs(_ context.Context, input []byte) ([]byte, error) {
	var request graph.Request
	if err := gob.NewDecoder(bytes.NewReader(input)).Decode(&request); err != nil {
		return nil, err
	}
	response, err := graph.Run(request)
	if err != nil {
		return nil, err
	}
	var output bytes.Buffer
	err = gob.NewEncoder(&output).Encode(response)
	return output.Bytes(), err
}

func init() { function.Handle(bfs) }

func main() { function.Serve() }

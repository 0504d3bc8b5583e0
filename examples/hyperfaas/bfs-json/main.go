// Visits a random graph: JSON in, JSON out.
package main

import (
	"context"
	"encoding/json"

	"canopy/function"
	"hyperfaas/graph"
)

func bfs(_ context.Context, input []byte) ([]byte, error) {
	var request graph.Request
	if err := json.Unmarshal(input, &request); err != nil {
		return nil, err
	}
	response, err := graph.Run(request)
	if err != nil {
		return nil, err
	}
	return json.Marshal(response)
}

func init() { function.Handle(bfs) }

func main() { function.Serve() }

// Package graph makes random graphs in which few nodes have many neighbours (Barabasi and Albert's), and visits them.
package graph

import (
	"errors"
	"math/rand/v2"
	"time"

	crypto "crypto/rand"
)

// Each new node is joined to so many of those that are there.
const edgesOfEach = 10

const sizeMax = 20_000

var errSize = errors.New("Size is 1 to 20000")

// Request says how large the graph is. A seed makes it the same each time.
type Request struct {
	Size int
	Seed *int
}

// Response has the nodes in the order of the visit, and what it took.
type Response struct {
	Result      []int64
	Measurement Measurement
}

type Measurement struct {
	GraphGeneratingTimeMicroseconds int64
	ComputeTimeMicroseconds         int64
}

// Run makes a graph and visits it from node 0 on, nearest first.
func Run(request Request) (Response, error) {
	if request.Size < 1 || request.Size > sizeMax {
		return Response{}, errSize
	}
	begun := time.Now()
	neighbours := generate(request.Size, source(request.Seed))
	generated := time.Now()
	order := visit(neighbours)
	return Response{Result: order, Measurement: Measurement{
		GraphGeneratingTimeMicroseconds: generated.Sub(begun).Microseconds(),
		ComputeTimeMicroseconds:         time.Since(generated).Microseconds(),
	}}, nil
}

// Of a WebAssembly function math/rand's own source is the same in each call.
func source(seed *int) *rand.Rand {
	var bytes [32]byte
	if seed == nil {
		_, _ = crypto.Read(bytes[:])
	} else {
		for i := range 8 {
			bytes[i] = byte(uint64(*seed) >> (8 * i))
		}
	}
	return rand.New(rand.NewChaCha8(bytes))
}

func generate(size int, random *rand.Rand) [][]int32 {
	neighbours := make([][]int32, size)
	var ends []int32 // Each node once for each of its edges: to draw from it is to prefer the well joined.
	join := func(a, b int32) {
		neighbours[a] = append(neighbours[a], b)
		neighbours[b] = append(neighbours[b], a)
		ends = append(ends, a, b)
	}
	core := min(size, edgesOfEach)
	for a := range core {
		for b := range a {
			join(int32(a), int32(b))
		}
	}
	for node := core; node < size; node++ {
		chosen := make(map[int32]bool, edgesOfEach)
		for len(chosen) < edgesOfEach {
			chosen[ends[random.IntN(len(ends))]] = true
		}
		for other := range int32(node) { // In order, so that the same seed makes the same graph.
			if chosen[other] {
				join(int32(node), other)
			}
		}
	}
	return neighbours
}

func visit(neighbours [][]int32) []int64 {
	seen := make([]bool, len(neighbours))
	order := make([]int64, 0, len(neighbours))
	line := []int32{0}
	seen[0] = true
	for len(line) > 0 {
		node := line[0]
		line = line[1:]
		order = append(order, int64(node))
		for _, next := range neighbours[node] {
			if !seen[next] {
				seen[next] = true
				line = append(line, next)
			}
		}
	}
	return order
}

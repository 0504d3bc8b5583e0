// Takes orders apart: JSON in, JSON out. A reactor in Go: the handler is exported, and the SDK's functions are
// imported by hand.
package main

import (
	"encoding/json"
	"fmt"
	"sort"
	"unsafe"
)

//go:wasmimport canopy input_size
func inputSize() uint32

//go:wasmimport canopy input_read
func inputRead(buffer unsafe.Pointer, size, offset uint32) uint32

//go:wasmimport canopy output_write
func outputWrite(data unsafe.Pointer, size uint32)

//go:wasmimport canopy status_set
func statusSet(status uint32) int32

//go:wasmimport canopy header_set
func headerSet(name unsafe.Pointer, nameSize uint32, value unsafe.Pointer, valueSize uint32) int32

type order struct {
	Customer string  `json:"customer"`
	Item     string  `json:"item"`
	Count    int     `json:"count"`
	Price    float64 `json:"price"`
}

type total struct {
	Customer string   `json:"customer"`
	Items    []string `json:"items"`
	Total    float64  `json:"total"`
}

func transform(orders []order) []total {
	byCustomer := map[string]*total{}
	for _, one := range orders {
		sum := byCustomer[one.Customer]
		if sum == nil {
			sum = &total{Customer: one.Customer}
			byCustomer[one.Customer] = sum
		}
		sum.Items = append(sum.Items, fmt.Sprintf("%d x %s", one.Count, one.Item))
		sum.Total += float64(one.Count) * one.Price
	}
	totals := make([]total, 0, len(byCustomer))
	for _, sum := range byCustomer {
		totals = append(totals, *sum)
	}
	sort.Slice(totals, func(i, j int) bool { return totals[i].Customer < totals[j].Customer })
	return totals
}

func reply(status uint32, body []byte) {
	name, value := "Content-Type", "application/json"
	headerSet(unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)), unsafe.Pointer(unsafe.StringData(value)), uint32(len(value)))
	statusSet(status)
	outputWrite(unsafe.Pointer(unsafe.SliceData(body)), uint32(len(body)))
}

//go:wasmexport canopy_handle
func handle() int32 {
	input := make([]byte, inputSize())
	inputRead(unsafe.Pointer(unsafe.SliceData(input)), uint32(len(input)), 0)
	var orders []order
	if err := json.Unmarshal(input, &orders); err != nil {
		body, _ := json.Marshal(map[string]string{"error": err.Error()})
		reply(400, append(body, '\n'))
		return 0
	}
	body, _ := json.Marshal(transform(orders))
	reply(200, append(body, '\n'))
	return 0
}

func main() {}

//go:build wasip1

package function

import (
	"context"
	"fmt"
	"os"
	"unsafe"
)

//go:wasmimport canopy input_size
func inputSize() uint32

//go:wasmimport canopy input_read
func inputRead(buffer unsafe.Pointer, size, offset uint32) uint32

//go:wasmimport canopy output_write
func outputWrite(data unsafe.Pointer, size uint32)

//go:wasmimport canopy header_set
func headerSet(name unsafe.Pointer, nameSize uint32, value unsafe.Pointer, valueSize uint32) int32

//go:wasmexport canopy_handle
func handle() int32 {
	input := make([]byte, inputSize())
	if len(input) > 0 {
		inputRead(unsafe.Pointer(unsafe.SliceData(input)), uint32(len(input)), 0)
	}
	output, err := handler(context.Background(), input)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	name, value := "Content-Type", "application/octet-stream"
	headerSet(unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)), unsafe.Pointer(unsafe.StringData(value)), uint32(len(value)))
	if len(output) > 0 {
		outputWrite(unsafe.Pointer(unsafe.SliceData(output)), uint32(len(output)))
	}
	return 0
}

// Serve does nothing: each call comes to the handler by itself.
func Serve() {}

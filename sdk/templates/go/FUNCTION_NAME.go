// Answers with a greeting. The call's input is standard input, the reply standard output.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	name := strings.TrimRight(string(input), "\n")
	if name == "" {
		name = "world"
	}
	fmt.Fprintf(os.Stderr, "greeting %d bytes\n", len(name)) // Goes to the call's log.
	fmt.Printf("Hello, %s!\n", name)
}

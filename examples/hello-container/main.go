// Answers with a greeting. The container listens on $PORT, and serves as many calls at once as `concurrency` says.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		input, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		name := strings.TrimRight(string(input), "\n")
		if name == "" {
			name = "world"
		}
		log.Printf("greeting %d bytes", len(name)) // Goes to the call's log.
		fmt.Fprintf(w, "Hello, %s!\n", name)
	})
	log.Fatal(http.ListenAndServe(":"+os.Getenv("PORT"), nil))
}

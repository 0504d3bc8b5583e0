// Makes a picture small: JSON with a JPEG in, JPEG out.
package main

import (
	"context"
	"encoding/json"

	"canopy/function"
	"hyperfaas/picture"
)

func thumbnail(_ context.Context, input []byte) ([]byte, error) {
	var request picture.Request
	if err := json.Unmarshal(input, &request); err != nil {
		return nil, err
	}
	return picture.Thumbnail(request)
}

func init() { function.Handle(thumbnail) }

func main() { function.Serve() }

// Makes a picture small: gob with a JPEG in, JPEG out.
package main

import (
	"bytes"
	"context"
	"encoding/gob"

	"canopy/function"
	"hyperfaas/picture"
)

func thumbnail(_ context.Context, input []byte) ([]byte, error) {
	var request picture.Request
	if err := gob.NewDecoder(bytes.NewReader(input)).Decode(&request); err != nil {
		return nil, err
	}
	return picture.Thumbnail(request)
}

func init() { function.Handle(thumbnail) }

func main() { function.Serve() }

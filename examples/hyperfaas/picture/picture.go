// Package picture makes pictures smaller, or larger.
package picture

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
)

const sideMax = 10_000

var errSize = errors.New("width and height are 1 to 10000")

// Request is a JPEG, and how large it shall become.
type Request struct {
	Image  []byte `json:"image"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

// Thumbnail answers a JPEG of that size.
func Thumbnail(request Request) ([]byte, error) {
	if min(request.Width, request.Height) < 1 || max(request.Width, request.Height) > sideMax {
		return nil, errSize
	}
	from, err := jpeg.Decode(bytes.NewReader(request.Image))
	if err != nil {
		return nil, err
	}
	var output bytes.Buffer
	err = jpeg.Encode(&output, scale(from, request.Width, request.Height), &jpeg.Options{Quality: jpeg.DefaultQuality})
	return output.Bytes(), err
}

// Each point is made of the four that are nearest to where it comes from.
func scale(from image.Image, width, height int) image.Image {
	bounds := from.Bounds()
	to := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		top, bottom, down := between(y, height, bounds.Dy())
		for x := range width {
			left, right, across := between(x, width, bounds.Dx())
			at := func(x, y int) [3]float64 {
				r, g, b, _ := from.At(bounds.Min.X+x, bounds.Min.Y+y).RGBA()
				return [3]float64{float64(r), float64(g), float64(b)}
			}
			above := mix(at(left, top), at(right, top), across)
			below := mix(at(left, bottom), at(right, bottom), across)
			point := mix(above, below, down)
			to.SetRGBA(x, y, color.RGBA{byte(point[0] / 257), byte(point[1] / 257), byte(point[2] / 257), 255})
		}
	}
	return to
}

// Of point i of so many, the two of `source` that it lies between, and how near it is to the second.
func between(i, count, source int) (first, second int, share float64) {
	place := (float64(i)+0.5)*float64(source)/float64(count) - 0.5
	place = max(place, 0)
	first = min(int(place), source-1)
	return first, min(first+1, source-1), place - float64(first)
}

func mix(a, b [3]float64, share float64) [3]float64 {
	for i := range a {
		a[i] += (b[i] - a[i]) * share
	}
	return a
}

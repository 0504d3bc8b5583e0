// Makes a picture small: PNG, JPEG or GIF in, PNG out, at most 64 points wide and high. Each point of the
// result is the mean of those it stands for.
package main

import (
	"fmt"
	"image"
	"image/color"
	_ "image/gif"
	_ "image/jpeg"
	"image/png"
	"os"
)

const sideMax = 64

func shrink(from image.Image) image.Image {
	bounds := from.Bounds()
	longest := max(bounds.Dx(), bounds.Dy())
	if longest <= sideMax {
		return from
	}
	width := max(bounds.Dx()*sideMax/longest, 1)
	height := max(bounds.Dy()*sideMax/longest, 1)
	to := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		top, bottom := y*bounds.Dy()/height, (y+1)*bounds.Dy()/height
		for x := range width {
			left, right := x*bounds.Dx()/width, (x+1)*bounds.Dx()/width
			to.Set(x, y, mean(from, image.Rect(left, top, right, bottom).Add(bounds.Min)))
		}
	}
	return to
}

func mean(of image.Image, part image.Rectangle) color.Color {
	var r, g, b, a uint64
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			pr, pg, pb, pa := of.At(x, y).RGBA()
			r, g, b, a = r+uint64(pr), g+uint64(pg), b+uint64(pb), a+uint64(pa)
		}
	}
	n := uint64(part.Dx() * part.Dy())
	return color.RGBA64{uint16(r / n), uint16(g / n), uint16(b / n), uint16(a / n)}
}

func main() {
	picture, _, err := image.Decode(os.Stdin)
	if err == nil {
		err = png.Encode(os.Stdout, shrink(picture))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "thumbnail:", err)
		os.Exit(1)
	}
}

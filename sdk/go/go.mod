module canopy

go 1.24

module brief

go 1.24

require canopy v0.0.0

replace canopy => ../../../../sdk/go

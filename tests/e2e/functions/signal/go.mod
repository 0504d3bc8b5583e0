module signal

go 1.24

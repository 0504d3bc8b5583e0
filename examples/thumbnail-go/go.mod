module thumbnail

go 1.24

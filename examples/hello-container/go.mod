module hello-container

go 1.24

module FUNCTION_NAME

go 1.24

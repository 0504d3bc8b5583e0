;; The function that is called over HTTP: it answers "hello" through standard output, and nothing else.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 64) "hello\n")
  (data (i32.const 128) "\40\00\00\00\06\00\00\00")
  (func (export "canopy_handle")
    (drop (call $write (i32.const 1) (i32.const 128) (i32.const 1) (i32.const 256)))))

;; Sleeps for 30 seconds in poll_oneoff, then answers "awake".
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 64) "awake\n")
  (data (i32.const 128) "\40\00\00\00\06\00\00\00")
  ;; subscription: userdata 0, tag 0 (clock), id 1 (monotonic), timeout 30e9 ns, precision 0, flags 0
  (func (export "canopy_handle")
    (i32.store (i32.const 528) (i32.const 1))
    (i64.store (i32.const 536) (i64.const 30000000000))
    (drop (call $poll (i32.const 512) (i32.const 640) (i32.const 1) (i32.const 700)))
    (drop (call $write (i32.const 1) (i32.const 128) (i32.const 1) (i32.const 256)))))

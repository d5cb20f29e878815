;; Hands two 64-bit numbers on, and exits with the errno.
(module
  (import "networking" "stream_create" (func $create (param i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (call $exit (call $create (i32.const 5) (i64.const 0x8877665544332211) (i64.const -2) (i32.const 0)
                              (i32.const 100)))))

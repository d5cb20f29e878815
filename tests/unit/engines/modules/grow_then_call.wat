;; Grows, then has random_get fill the last bytes of the new memory, and exits with the answer.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $random (i32.const 0) (i32.const 16)))
    (drop (memory.grow (i32.const 100)))
    (call $exit (call $random (i32.const 6619120) (i32.const 16)))))

;; Grows from one page by 1023, then by one more, and exits with 1 if the second was refused.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (if (i32.ne (memory.grow (i32.const 1023)) (i32.const 1)) (then unreachable))
    (call $exit (i32.eq (memory.grow (i32.const 1)) (i32.const -1)))))

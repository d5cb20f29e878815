;; Imports one function twice.
(module
  (import "wasi_snapshot_preview1" "sched_yield" (func $a (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $b (result i32)))
  (func (export "_start") (drop (call $a)) (drop (call $b))))

;; Imports sock_accept as another ABI has it: with two parameters.
(module
  (import "wasi_snapshot_preview1" "sock_accept" (func (param i32 i32) (result i32)))
  (func (export "_start")))

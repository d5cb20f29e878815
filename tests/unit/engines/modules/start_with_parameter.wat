;; Has a _start that nobody can call.
(module (func (export "_start") (param i32)))

;; Starts with 64 MiB and one page.
(module (memory (export "memory") 1025) (func (export "_start")))

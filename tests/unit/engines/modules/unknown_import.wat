;; Imports what no table names, under a name with control characters.
(module
  (import "env" "launch\n\1b[31m" (func))
  (func (export "_start")))

;; Exports nothing.
(module (func))

;; Calls itself for ever.
(module (func $f (export "_start") call $f))

;; Does nothing.
(module (func (export "_start")))

;; Has a table of 16 million elements.
(module (table 16777216 funcref) (func (export "_start")))

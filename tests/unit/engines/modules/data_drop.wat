;; Drops a data segment: an opcode of the bulk memory proposal.
(module (memory 1) (data "abc") (func (export "_start") (data.drop 0)))

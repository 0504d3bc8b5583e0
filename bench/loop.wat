;; Never ends.
(module (memory (export "memory") 1) (func (export "canopy_handle") (loop (br 0))))

"""An event as one row of bytes, and what may be read from a file: builtins only, checked first."""

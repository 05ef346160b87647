"""The files of a cache: atomic, signed, shared, read without trust."""

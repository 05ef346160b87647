"""Where ended calls go: rows folded by id, the edges between them, the sinks."""

"""Ended calls, kept: rows folded by id, the edges between them, work that was sent elsewhere."""

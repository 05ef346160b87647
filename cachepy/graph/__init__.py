"""Runs folded into a graph, the reader of its journal, and what is asked of it."""

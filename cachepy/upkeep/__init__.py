"""Care for a cache directory: sizes, pruning, verification, repair."""

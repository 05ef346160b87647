"""Questions about the whole graph: what is stale, what would run, running just that."""

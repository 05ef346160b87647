"""Questions about all calls: what is stale, why, and what would run."""

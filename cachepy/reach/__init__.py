"""What code a function reaches: the walk over names and globals, its pieces, its guard, its source."""

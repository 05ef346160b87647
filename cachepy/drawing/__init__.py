"""The layout of a graph and the words on it, for plots."""

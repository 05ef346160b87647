"""The graph and the answers about it in other forms: pages, notebooks, provenance, crates, text."""

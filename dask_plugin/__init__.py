"""cachepy on a Dask cluster: the same results and the same graph."""

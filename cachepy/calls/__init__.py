"""The steps of one call: options, request, miss, run, waiting, early cutoff, and callers carried along."""

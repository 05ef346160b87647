"""Files in a cache directory: entries, claims, journals, digests of files; whose they are."""

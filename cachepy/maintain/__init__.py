"""Care for the files of a cache directory."""

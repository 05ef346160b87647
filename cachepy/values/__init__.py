"""What values are to a key: canonical forms of objects, and short texts of them for people."""

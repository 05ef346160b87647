"""The fingerprint of the code that a function reaches, what guards it, and what of it changed."""

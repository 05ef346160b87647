"""The theory: what a call is, when it holds, what it does. Imports nothing but errors and the records of `model`."""

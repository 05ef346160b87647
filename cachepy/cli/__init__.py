"""The program ``cachepy``."""

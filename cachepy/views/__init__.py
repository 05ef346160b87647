"""The graph as pictures, pages, tables and other formats."""

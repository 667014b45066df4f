"""Packing a corpus into few large files, which every command reads as it reads loose files."""

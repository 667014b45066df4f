"""One loop for every system; the differences between them are data."""

"""Changes to audio in training; each has a file of its own. The speech factory uses some of the same code."""

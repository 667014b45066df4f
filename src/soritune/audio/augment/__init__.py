"""Changes to audio that happen in training only; each has a file of its own."""

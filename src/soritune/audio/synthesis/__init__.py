"""Synthetic Korean speech by espeak-ng: sentences, voices, styles, errors, recordings. It knows no manifest."""

"""Augmentations of audio in training, one file each. Synthetic speech uses some of the same code."""

"""Synthetic Korean speech by espeak-ng: sentences, voices, styles, errors, recordings.

It returns audio and facts about it; `corpus/synthetic/` makes rows of a manifest from them. Start with `words.py`.
"""

"""A trained model as one folder: its card, reading, writing. No other room knows how it lies on disk; no torch."""

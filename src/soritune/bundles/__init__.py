"""A trained model as one folder: its card, reading, writing. No other room depends on its layout; no torch."""

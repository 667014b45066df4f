"""Given text and a model's log-probabilities: where each phone is, and how it was pronounced; no torch."""

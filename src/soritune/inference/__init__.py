"""From audio to predictions, the same for every backend. Only `backends/pytorch.py` imports torch."""

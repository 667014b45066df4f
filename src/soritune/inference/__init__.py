"""From audio to predictions, the same for every backend. Nothing here imports torch but
`backends/pytorch.py`."""

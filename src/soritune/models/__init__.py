"""Models: encoders, heads, adapters, and their weights in and out. Torch-free: `config.py` alone."""

"""Encoders, heads, adapters: whatever is made of tensors. Only `config.py` does without torch."""

"""One file per corpus layout; the contract is `source.py`."""

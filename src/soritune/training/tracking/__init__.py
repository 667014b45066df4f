"""Open folder of trackers of a training: `tracker.py` is the contract, other files bind `TRACKER`."""

"""Sound in and out, NumPy only: reading, resampling, preprocessing, quality, synthetic speech."""

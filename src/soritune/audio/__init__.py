"""Sound without torch: reading, resampling, preprocessing, quality, augmentation, synthetic speech."""

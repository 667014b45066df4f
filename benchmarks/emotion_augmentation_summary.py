"""Part of `emotion_augmentation.py`: tables."""


def summarise(options, results):
    return {}

import transformers

from soritune.models.encoders.whisper.spectrogram import FFT_SAMPLES, HOP_SAMPLES, SAMPLE_RATE_HZ


def test_numbers_are_those_of_the_feature_extractor() -> None:
    extractor = transformers.WhisperFeatureExtractor()
    expected = (extractor.n_fft, extractor.hop_length, extractor.sampling_rate)
    assert expected == (FFT_SAMPLES, HOP_SAMPLES, SAMPLE_RATE_HZ)

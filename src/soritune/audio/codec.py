"""Which codecs change the sound: names of people for those of libsndfile and FFmpeg. Next: `audio/waveform.py`."""

from __future__ import annotations

_OF_LIBSNDFILE = {
    "VORBIS": "Vorbis",
    "OPUS": "Opus",
    "MPEG_LAYER_I": "MP1",
    "MPEG_LAYER_II": "MP2",
    "MPEG_LAYER_III": "MP3",
    "ULAW": "µ-law",
    "ALAW": "A-law",
    "GSM610": "GSM",
    "IMA_ADPCM": "ADPCM",
    "MS_ADPCM": "ADPCM",
    "VOX_ADPCM": "ADPCM",
    "NMS_ADPCM_16": "ADPCM",
    "NMS_ADPCM_24": "ADPCM",
    "NMS_ADPCM_32": "ADPCM",
    "G721_32": "G.721",
    "G723_24": "G.723",
    "G723_40": "G.723",
}
"""Lossy subtypes; all others are samples or lossless."""
_OF_FFMPEG = {
    "aac": "AAC",
    "aac_latm": "AAC",
    "libfdk_aac": "AAC",
    "opus": "Opus",
    "libopus": "Opus",
    "vorbis": "Vorbis",
    "libvorbis": "Vorbis",
    "mp1": "MP1",
    "mp1float": "MP1",
    "mp2": "MP2",
    "mp2float": "MP2",
    "mp3": "MP3",
    "mp3float": "MP3",
    "ac3": "AC-3",
    "eac3": "AC-3",
    "wmav1": "WMA",
    "wmav2": "WMA",
    "wmapro": "WMA",
    "wmavoice": "WMA",
    "amrnb": "AMR",
    "libopencore_amrnb": "AMR",
    "amrwb": "AMR",
    "libopencore_amrwb": "AMR",
    "speex": "Speex",
    "libspeex": "Speex",
    "pcm_alaw": "A-law",
    "pcm_mulaw": "µ-law",
}
"""Lossy decoders; others count as lossless, so that no warning is wrong."""


def lossy_codec(name: str) -> str | None:
    """The name for people of a codec that changes the sound; None for samples, lossless and unknown codecs.

    Args:
        name: a subtype of libsndfile or a decoder of FFmpeg.

    >>> lossy_codec("MPEG_LAYER_III"), lossy_codec("aac"), lossy_codec("PCM_16"), lossy_codec("alac")
    ('MP3', 'AAC', None, None)
    """
    return _OF_LIBSNDFILE.get(name, _OF_FFMPEG.get(name))

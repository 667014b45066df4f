"""Data folders of Kaldi and ESPnet: `wav.scp`, `text`, `utt2spk`, `spk2utt`, `utt2dur`, and `segments` if needed.

Lines are sorted by the bytes of their keys, as Kaldi requires. With a stretch or a channel in any row, every row gets a
line in `segments`, where `0 -1` is a whole recording, and channels are in `reco2file_and_channel`. A row without a
speaker has itself as speaker, as Kaldi's own recipes do.
"""

from __future__ import annotations

from pathlib import Path

from soritune.corpus.exports.export import Export, Parts, not_held, rows_with_paths
from soritune.corpus.manifest import Manifest
from soritune.corpus.reading.kaldi_folder import WAV_SCP
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError
from soritune.whole_file import write_text

_ATTRIBUTES = {"gender": "utt2gender", "age": "utt2age", "language": "utt2lang", "emotion": "utt2emotion"}
_HELD = ("id", "audio", "duration_s", "start_s", "channel", "speaker", "text", "text_source", *_ATTRIBUTES)
_RATE = "sample_rate_hz"
"""In the header of the recording."""


def write(parts: Parts, folder: Path) -> list[str]:
    """Writes a data folder, or one for each split."""
    unspoken = unprefixed = 0
    for split, manifest in parts.items():
        target = folder if split is None else folder / split
        tables, without_speaker, without_prefix = _tables(manifest)
        unspoken, unprefixed = unspoken + without_speaker, unprefixed + without_prefix
        for name, lines in tables.items():
            ordered = sorted(lines.items(), key=lambda item: item[0].encode())
            if ordered:
                write_text(target / name, "".join(f"{key} {value}\n" for key, value in ordered))
    notes = not_held(parts, (*_HELD, _RATE), "Kaldi")
    if unspoken:
        notes.append(f"{unspoken:,} rows without a speaker have themselves as speaker")
    if unprefixed:
        notes.append(
            f"{unprefixed:,} ids do not begin with their speaker, which validate_data_dir.sh of Kaldi expects"
        )
    return notes


def _tables(manifest: Manifest) -> tuple[dict[str, dict[str, str]], int, int]:
    """File → key → value; the number of rows without a speaker, and of ids that do not begin with theirs."""
    segmented = any(manifest.column(name).null_count < len(manifest) for name in ("start_s", "channel"))
    tables: dict[str, dict[str, str]] = {WAV_SCP: {}, "text": {}, "utt2spk": {}, "utt2dur": {}}
    recordings: dict[tuple[str, int | None], str] = {}
    speakers: dict[str, list[str]] = {}
    unspoken = unprefixed = 0
    for row, path in rows_with_paths(manifest):
        key = _key("id", row.id)
        speaker = _key("speaker", row.speaker) if row.speaker else key
        unspoken += not row.speaker
        unprefixed += bool(row.speaker) and not key.startswith(speaker)
        tables["utt2spk"][key] = speaker
        speakers.setdefault(speaker, []).append(key)
        tables["utt2dur"][key] = f"{row.duration_s:.6g}"
        if row.text:
            tables["text"][key] = " ".join(row.text.split())
        for field, file in _ATTRIBUTES.items():
            value = getattr(row, field)
            if value is not None:
                tables.setdefault(file, {})[key] = f"{value:g}" if isinstance(value, float) else _plain(value)
        if not segmented:
            tables[WAV_SCP][key] = _plain(path)
            continue
        recording = recordings.setdefault((path, row.channel), f"recording-{len(recordings):07d}")
        tables[WAV_SCP][recording] = _plain(path)
        tables.setdefault("segments", {})[key] = f"{recording} {_times(row)}"
        if row.channel is not None:
            side = "AB"[row.channel] if row.channel < 2 else str(row.channel + 1)
            tables.setdefault("reco2file_and_channel", {})[recording] = f"{recording} {side}"
    _move_to_speakers(tables, "gender")
    tables["spk2utt"] = {name: " ".join(sorted(keys, key=str.encode)) for name, keys in speakers.items()}
    return tables, unspoken, unprefixed


def _move_to_speakers(tables: dict[str, dict[str, str]], name: str) -> None:
    """Moves `utt2NAME` to `spk2NAME`, which Kaldi's own tools read, for speakers whose rows all have the same value."""
    values, of_speaker = tables.get(f"utt2{name}", {}), dict[str, set[str | None]]()
    for key, speaker in tables["utt2spk"].items():
        of_speaker.setdefault(speaker, set()).add(values.get(key))
    same = {
        speaker: found for speaker, (found, *others) in of_speaker.items() if not others and found is not None
    }
    tables[f"spk2{name}"] = same
    tables[f"utt2{name}"] = {
        key: value for key, value in values.items() if tables["utt2spk"][key] not in same
    }


def _times(row: Utterance) -> str:
    """Start and end of a row in seconds."""
    return "0 -1" if row.start_s is None else f"{row.start_s:.6f} {row.start_s + row.duration_s:.6f}"


def _key(field: str, text: str) -> str:
    """A name as a key.

    Raises:
        ManifestError: it contains spaces, which end a key.
    """
    if len(text.split()) != 1 or text.strip() != text:
        raise ManifestError(
            f"the {field} '{text}' has spaces, and a key of Kaldi's files cannot contain any; prepare the corpus with "
            f"other names (--field {field}=NAME)",
            field=field,
        )
    return text


def _plain(value: object) -> str:
    """A value on one line.

    Raises:
        ManifestError: a path that Kaldi would run as a command.
    """
    text = " ".join(str(value).split("\n"))
    if text.endswith("|"):
        raise ManifestError(
            f"the path '{text}' ends in a bar, and Kaldi would run it as a command; rename the file"
        )
    return text


EXPORT = Export(write, "Kaldi and ESPnet: a data folder with wav.scp, text, utt2spk, segments")

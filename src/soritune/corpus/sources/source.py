"""The contract of a corpus source: a file here that binds `SOURCE` can be named in `soritune prepare`.

A source reads a corpus folder and yields one outcome after the other (`corpus/reading/outcomes.py`), so that the corpus
never has to fit into memory: an `Utterance`; `Rejected`, which goes to quarantine; `Skipped` and `Note`, which are
counted. It need not open audio: `corpus/prepare.py` fills in lengths and rates, so `duration_s` may be 0. Its docstring
describes the corpus: its publisher, its licence, its layout and its known faults.

`corpus/reading/` has what most layouts need:

- folders: `folder_walk.py` and `corpus_files.py` (also inside archives), `label_pairs.py` (a JSON label per recording),
  `script_file.py` (texts by file name);
- lists: `given_files.py` (which files), `table_rows.py` and `table_columns.py` (CSV), `audio_paths.py` (paths as
  written elsewhere), `repeated_recordings.py` (recordings listed more than once);
- other toolkits: `kaldi_folder.py`, `json_lines.py`, `arrow_dataset.py` (Hugging Face), `textgrids.py` (Praat);
- values: `value_reader.py` (other publishers' values to an utterance), `expressions.py` (JMESPath), `split_names.py`;
- files: `text_encoding.py`, `json_text.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soritune.corpus.reading.outcomes import Outcome
from soritune.corpus.reading.source_config import SourceConfig


@dataclass(frozen=True, slots=True)
class Survey:
    """The fields of the corpus itself, whether or not the settings map them; for `sources preview`."""

    looked_at: int
    """How many rows or files were looked at."""
    examples: Mapping[str, Any]
    """Field, spelt as in the settings → the first value that is not empty."""
    used: Mapping[str, str]
    """Field → what it becomes: an utterance field, or `extra`. Fields that are not read are left out."""


@dataclass(frozen=True)
class Source:
    """A member of this folder."""

    Config: type[SourceConfig]
    read: Callable[[Path, Any], Iterator[Outcome]]
    """`read(root, config)`; audio paths are relative to `base(root, config)`, or absolute.

    Raises:
        SorituneError: the corpus as a whole cannot be read.
    """
    description: str
    """One line for `soritune prepare --help`."""
    base: Callable[[Path, Any], Path] = lambda root, config: root
    """The manifest's root for a corpus at `root`."""
    survey: Callable[[Path, Any, int], Survey] | None = None
    """`survey(root, config, limit)` looks at the first `limit` rows or label files; None if the corpus has no fields
    of its own.

    Raises:
        SorituneError: the corpus as a whole cannot be read.
    """

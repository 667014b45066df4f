"""Relative audio paths that lead out of a corpus: a report embeds the audio, so reading them needs a setting."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError
from soritune.inside_folder import leads_outside


def refuse_outside(audio: str, root: Path) -> None:
    """Refuses a relative audio path that leads out of `root`. An absolute path is the user's own word.

    Raises:
        AudioError: the path leads out.
    """
    if leads_outside(audio):
        raise AudioError(
            audio,
            f"is a relative path that leads out of {root}; if this is intended, write an absolute path, or prepare the "
            "corpus with outside_root=true, which writes it (soritune prepare … --set outside_root=true; in a recipe "
            "data.config.outside_root=true)",
            "audio-outside-root",
        )


def within_root(utterance: Utterance, root: Path, corpus: Path, *, outside_root: bool) -> Utterance:
    """The utterance as it may be read; a path that leads out of `root` becomes absolute if it is allowed.

    Args:
        utterance: with the path as the corpus states it.
        root: where relative paths start.
        corpus: the folder that the user named; what is in it may be read.
        outside_root: whether other files may be read too.

    Raises:
        AudioError: the path leads out, and this is not allowed.
    """
    if not leads_outside(utterance.audio):
        return utterance
    path = os.path.normpath(root.absolute() / utterance.audio)
    if not outside_root and not path.startswith(os.path.normpath(corpus.absolute()) + os.sep):
        refuse_outside(utterance.audio, root)
    return replace(utterance, audio=path)

"""Folds: several splits of one manifest that together test every speaker (and script), for small corpora.

By speaker: fold k tests one group of speakers; validation speakers are taken from the rest. By speaker and script, for
speakers who read the same sentences: the scripts are divided into blocks too, and the folds are all pairs of a speaker
group and a script block. Every utterance is then tested once, by a model trained without its speaker and its sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from soritune.corpus.audio_hashes import AudioHashes
from soritune.corpus.manifest import Manifest
from soritune.corpus.splitting.assignment import assign_groups
from soritune.corpus.splitting.balance import balance, ratio_cost
from soritune.corpus.splitting.copies import copy_warnings, separate_copies
from soritune.corpus.splitting.grouping import Codes, Columns, Groups, strata_of, sums_by, with_values
from soritune.corpus.splitting.splits import SPLITS, Copies, Splits, SplitSettings, finish_splits
from soritune.errors import SplitError

_TRAIN, _VAL, _TEST = range(3)
_UNUSED = len(SPLITS)
_LOSS = 0.2
"""Script blocks are made if keeping test sentences out of training would cost a fold more than this share of it."""
_BLOCKS = 5


def make_folds(
    manifest: Manifest,
    *,
    group_by: Sequence[str] = ("speaker",),
    folds: int | None = None,
    val_share: float = 0.1,
    seed: int = 0,
    stratify: tuple[str, ...] = (),
    script_blocks: int | None = None,
    label_fields: Sequence[str] = (),
    audio_hashes: AudioHashes | None = None,
    copies: Copies = "apart",
) -> list[Splits]:
    """Splits whose test parts cover every utterance that has a speaker, each once.

    Args:
        manifest: What to split.
        group_by: ("speaker",) or ("speaker", "script").
        folds: Number of speaker groups; None leaves one speaker out at a time.
        val_share: Share of the non-test hours for validation, in whole speakers. 0 makes no validation part.
        seed: Another seed gives other groups.
        stratify: Columns whose shares should be alike in all groups and blocks.
        script_blocks: With script: number of script blocks; 1 removes a test speaker's sentences from training
            instead. None chooses 1 if that costs few hours, else 5.
        label_fields: Columns with the label of an utterance; a warning names the labels that a part lacks.
        audio_hashes: (utterances,) hash of each row's samples (`corpus/audio_hashes.py`), by which copies are found.
        copies: How rows with the same audio are treated, as in `SplitSettings`.

    Returns:
        One `Splits` per fold; `policy["fold"]` has number, of, test_speakers, script_block.

    Raises:
        SplitError: too few speakers or scripts, or an empty train part.
    """
    if tuple(group_by) not in (("speaker",), ("speaker", "script")):
        raise SplitError(f"folds group by speaker, or by speaker and script; got {', '.join(group_by)}")
    if seed < 0:
        raise SplitError(f"the seed is {seed}; give a whole number from 0")
    warnings: list[str] = []
    columns = Columns.of(manifest, label_fields, None if copies == "ignore" else audio_hashes)
    strata = strata_of(manifest, with_values(manifest, stratify, warnings))
    people = replace(columns, speakers=columns.people) if copies == "apart" else columns
    num_speakers = len(people.speakers)
    if num_speakers < 2 or (folds is not None and not 2 <= folds <= num_speakers):
        expected = "at least 2" if folds is None else f"from 2 to {num_speakers}"
        raise SplitError(
            f"{num_speakers} speakers make no {folds or 'leave-one-out'} folds; folds must be {expected}"
        )
    speaker_group = _speaker_groups(people, strata, folds, seed)
    block = (
        _script_blocks(people, strata, speaker_group, script_blocks, seed) if "script" in group_by else None
    )
    pairs = [
        (group, part)
        for group in range(speaker_group.max() + 1)
        for part in range(block.max() + 1 if block is not None else 1)
    ]
    settings = SplitSettings(
        by=("speaker", "script") if block is not None else ("speaker",),
        seed=seed,
        stratify=stratify,
        copies=copies,
    )
    made = []
    for group, part in pairs:
        planned, notes = _fold_codes(people, strata, speaker_group, block, (group, part), val_share, seed)
        codes = separate_copies(columns, planned) if copies == "apart" else planned
        notes += copy_warnings(manifest, columns, planned, codes, together=copies == "apart")
        if not (codes == _TEST).any():
            continue  # this group reads no sentence of the block
        if not (codes == _TRAIN).any():
            raise SplitError(
                "a fold has nothing left to train on: all its sentences are in test too; use by=speaker"
                if block is not None
                else "a fold has nothing left to train on; use fewer folds or a smaller val_share"
            )
        made.append((group, part, codes, [*warnings, *notes]))
    row_group = np.append(speaker_group, -1)[people.speakers.codes]
    return [
        _finish(manifest, columns, settings, fold, (number, len(made)), row_group, val_share)
        for number, fold in enumerate(made, start=1)
    ]


def _finish(
    manifest: Manifest,
    columns: Columns,
    settings: SplitSettings,
    fold: tuple[int, int, NDArray[np.int8], list[str]],
    number_of: tuple[int, int],
    row_group: Codes,
    val_share: float,
) -> Splits:
    """The splits of one fold.

    Args:
        manifest: What is split.
        columns: Its columns.
        settings: For the policy.
        fold: Speaker group, script block, codes (utterances,) and warnings.
        number_of: Number of the fold, and of folds.
        row_group: (utterances,) group of each row's speaker.
        val_share: For the policy.
    """
    group, part, codes, notes = fold
    tested = np.unique(columns.speakers.codes[row_group == group])
    about = {
        "number": number_of[0],
        "of": number_of[1],
        "test_speakers": [columns.speakers.names[code] for code in tested],
        "script_block": part,
        "val_share": val_share,
    }
    splits = finish_splits(manifest, columns, codes, settings, notes, fold=about)
    splits.policy["ratios"] = None  # folds have a val_share, not ratios
    return splits


def _speaker_groups(columns: Columns, strata: list[Groups], folds: int | None, seed: int) -> Codes:
    speakers = columns.speakers
    if folds is None or folds == len(speakers):
        return np.arange(len(speakers))
    even = np.full(folds, 1 / folds)
    return assign_groups(speakers, strata, columns.hours, even, seed, "speaker")[:-1]


def _script_blocks(
    columns: Columns, strata: list[Groups], speaker_group: Codes, blocks: int | None, seed: int
) -> Codes:
    """The block of each script, (scripts + 1,); the scripts of every speaker are spread over all blocks."""
    scripts, speakers = columns.scripts, columns.speakers
    if not len(scripts):
        raise SplitError("cannot group by script: no utterance has a text or script_id; use group_by=speaker")
    if blocks is None:
        blocks = 1 if _worst_loss(columns, speaker_group) <= _LOSS else min(_BLOCKS, len(scripts))
    if not 1 <= blocks <= len(scripts):
        raise SplitError(
            f"{len(scripts)} scripts cannot be cut into {blocks} blocks; give 1 to {len(scripts)}"
        )
    if blocks == 1:
        return np.zeros(len(scripts) + 1, dtype=np.int64)
    spread = [*strata, speakers] if len(speakers) <= 200 else strata
    sums = sums_by(scripts.codes, len(scripts), spread, columns.hours)
    gains = np.repeat(sums[:, None, :], blocks, axis=1)
    part = balance(gains, ratio_cost(sums.sum(axis=0), np.full(blocks, 1 / blocks)), seed)
    return np.append(part, -1)


def _worst_loss(columns: Columns, speaker_group: Codes) -> float:
    """Of all groups, the largest share of the other speakers' hours with a sentence of the group."""
    row_group = np.append(speaker_group, -1)[columns.speakers.codes]
    worst = 0.0
    for group in range(speaker_group.max() + 1):
        read = np.zeros(len(columns.scripts) + 1, dtype=bool)
        read[columns.scripts.codes[row_group == group]] = True
        read[-1] = False
        others = row_group != group
        worst = max(
            worst,
            float(columns.hours[others & read[columns.scripts.codes]].sum() / columns.hours[others].sum()),
        )
    return worst


def _fold_codes(
    columns: Columns,
    strata: list[Groups],
    speaker_group: Codes,
    block: Codes | None,
    fold: tuple[int, int],
    val_share: float,
    seed: int,
) -> tuple[NDArray[np.int8], list[str]]:
    """Codes (utterances,) of one fold, and warnings about it."""
    group, part = fold
    notes: list[str] = []
    row_group = np.append(speaker_group, -1)[columns.speakers.codes]
    known = columns.speakers.codes >= 0
    test = known & (row_group == group)
    rest = known & ~test
    if block is not None:
        of_row = block[columns.scripts.codes]
        if block.max() > 0:
            test &= (of_row == part) | (of_row < 0)
            rest &= of_row != part
        else:
            read = np.zeros(len(columns.scripts) + 1, dtype=bool)
            read[columns.scripts.codes[test]] = True
            read[-1] = False
            rest &= ~read[columns.scripts.codes]
    codes = np.full(len(known), _UNUSED, dtype=np.int8)
    codes[test], codes[rest] = _TEST, _TRAIN
    if val_share > 0 and rest.any():
        val = _validation(columns, strata, rest, val_share, seed, notes)
        codes[val] = _VAL
    return codes, notes


def _validation(
    columns: Columns, strata: list[Groups], rest: NDArray[np.bool_], share: float, seed: int, notes: list[str]
) -> NDArray[np.bool_]:
    """Rows of `rest` for validation: whole speakers if there are two, else whole scripts, else single utterances."""
    ratios = np.array([1 - share, share])
    for kind, groups in (("speaker", columns.speakers), ("script", columns.scripts)):
        present = np.unique(groups.codes[rest & (groups.codes >= 0)])
        if len(present) < 2:
            continue
        local_code = np.full(len(groups) + 1, -1, dtype=np.int64)
        local_code[present] = np.arange(len(present))
        local = Groups(
            np.where(rest, local_code[groups.codes], -1), tuple(groups.names[index] for index in present)
        )
        part = assign_groups(local, strata, columns.hours, ratios, seed, kind)
        if kind == "script":
            notes.append("only one speaker is left for training, so validation has the same speaker")
        return np.asarray(part[local.codes] == 1)
    notes.append("one speaker and no scripts are left for training, so validation is drawn at random from it")
    chosen = np.zeros(len(rest), dtype=bool)
    rows = np.flatnonzero(rest)
    chosen[np.random.default_rng(seed).permutation(rows)[: round(share * len(rows))]] = True
    return chosen

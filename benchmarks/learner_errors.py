"""Errors of learners of English by phone: error heads beside goodness of pronunciation, on the same folds of speakers.

    OMP_NUM_THREADS=1 python benchmarks/learner_errors.py --encoder openai/whisper-base --output exp/learners
    python benchmarks/learner_errors.py --encoder soritune/ko-base --output exp/learners-ko
    python benchmarks/learner_errors.py --output exp/learners --only judge        # the tables again, seconds

$SORITUNE_DATA is the folder with `speechocean762` and `speechocean762_train` (63 speakers, 1,260 clips, CC BY 4.0). A
phone is wrong if the mean score of its five experts is below 0.5 of 2, as the corpus defines it. The encoder is not
trained, and that of soritune/ko-base is Whisper's own, so it has seen none of these speakers. Heads are trained on its
stored states with the recipe `l2-multitask`. Five folds of whole speakers; a part of the training speakers are
development speakers, on whom thresholds are chosen. No method sees a test speaker.

    states     encodes all clips once, at about 20 s of speech per second of one core; resumes where it was stopped
    heads      trains the heads on each fold, plain and with swapped phones, and stores what they give for each phone
    judge      fits and judges every method on the same phones:
                 always-correct     no phone is wrong
                 softmax-gop        mean log-probability of the expected phone over its frames (Viterbi)
                 disagreement       the recognised phones differ from the text (fewest edits)
                 free-gop           segmentation-free GOP, variant SD
                 svr                one SVR per phone on the GOP vectors of the training speakers, as in Kaldi's recipe
                 slots              slot decoding of the CTC output over error labels
                 segment, segment-swapped   the segment head, without and with swapped phones in training
                 joined             logistic regression on segment-swapped, free-gop, disagreement and svr, fitted on
                                    development speakers

AUC, F1 and false rejection rate at two thresholds (best F1; at most 5 % of correct phones called wrong, both chosen on
development speakers), and the correlation with the experts' mean scores (PCC) after an isotonic map from development
speakers, with 95 % intervals over speakers. Finished folds are not repeated. Under `--output`: one folder per training,
phones-*.npz, results.json, summary.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from judged_speakers import data_folder, points, write_json
from numpy.typing import NDArray

from soritune.assessment.alignment import frames_needed, viterbi
from soritune.assessment.gop import score_slots
from soritune.assessment.slots import territories
from soritune.audio.augment.settings import AugmentSettings
from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.splitting.folds import make_folds
from soritune.corpus.splitting.splits import Splits
from soritune.corpus.utterance import Utterance
from soritune.metrics.bootstrap import Interval, paired_difference, speaker_intervals
from soritune.metrics.edit_distance import align
from soritune.metrics.slot_errors import (
    NUM_BINS,
    area_under_curve,
    best_f1_threshold,
    binned,
    low_rejection_threshold,
    slot_counts,
    slot_rates,
)
from soritune.progress import Console
from soritune.recipe import Recipe, load_recipe
from soritune.run_folder import RunFolder
from soritune.stages.train import train_recipe
from soritune.whole_file import write_text

FOLDERS = ("speechocean762", "speechocean762_train")
WRONG_BELOW = 0.5
ARMS = {"plain": "{}", "swapped": "{swapped_phones: 0.1}"}
REFERENCE = "softmax-gop"
NEVER = 1_000_000
LEAST_LOG = -20.0
"""Log-probabilities and ratios below are cut off, as features and in means."""
Columns = dict[str, NDArray[Any]]
"""One value, or one vector, for each phone of many clips."""


# ── data ──


def rows_of(options: argparse.Namespace) -> Manifest:
    """All clips of both folders. A wrong phone is perceived as `err`: few rows state which phone was pronounced."""
    path = options.output / "rows.parquet"
    root = data_folder()
    if not path.exists():
        rows: list[Utterance] = []
        for folder in FOLDERS:
            lines = (root / folder / "manifest.jsonl").read_text("utf-8").splitlines()
            rows += [_row(root, folder, json.loads(line)) for line in lines]
        if options.clips is not None:
            seen: dict[str | None, int] = {}
            kept = []
            for row in rows:
                seen[row.speaker] = seen.get(row.speaker, 0) + 1
                if seen[row.speaker] <= options.clips:
                    kept.append(row)
            rows = kept
        path.parent.mkdir(parents=True, exist_ok=True)
        write_manifest(path, rows, root=root)
    return load_manifest(path, root=root)


def _row(root: Path, folder: str, entry: Mapping[str, Any]) -> Utterance:
    canonical = tuple(phone.rstrip("012").lower() for phone in entry["canonical"])
    scores = [float(score) for score in entry["phone_scores"]]
    perceived = tuple(
        phone if score >= WRONG_BELOW else "err" for phone, score in zip(canonical, scores, strict=True)
    )
    return Utterance(
        id=entry["id"],
        audio=str(root / folder / entry["audio"]),
        duration_s=float(entry["duration"]),
        speaker=entry["speaker"],
        text=entry["text"],
        language="en",
        canonical=canonical,
        perceived=perceived,
        phones=perceived,
        error_labels=tuple("C" if score >= WRONG_BELOW else "I" for score in scores),
        age=entry["age"],
        source=folder,
        extra={"scores": scores},
    )


def folds_of(rows: Manifest, options: argparse.Namespace) -> list[Splits]:
    """Folds of speakers; a fifth of the other hours are development speakers."""
    return make_folds(rows, folds=options.folds, val_share=0.2, seed=0)


def recipe_of(options: argparse.Namespace, arm: str, more: Sequence[str] = ()) -> Recipe:
    """The recipe `l2-multitask` with a frozen encoder and labels by phone."""
    convolution = "{kind: convolution, width: 256, layers: 2, dropout: 0.3}"
    layers = json.dumps(options.layers)
    overrides = [
        f"model.encoder={options.encoder}",
        *(["model.architecture={}"] if options.encoder.startswith("soritune/") else []),
        f"tasks.mispronunciation.phoneme_head={convolution}",
        f"tasks.mispronunciation.error_head={convolution}",
        f"tasks.mispronunciation.phoneme_layer={layers}",
        f"tasks.mispronunciation.error_layer={layers}",
        f"tasks.mispronunciation.segment_head={ARMS[arm]}",
        f"tasks.mispronunciation.segment_head.layer={layers}",
        f"train.epochs={options.epochs}",
        f"train.seed={options.seed}",
        "train.learning_rate=2.0e-3",
        "train.schedule=linear",
        "train.warmup_share=0.1",
        "train.max_grad_norm=1.0",
        "train.ema.decay=0.99",
        "train.device=cpu",
        "train.threads=1",
        "train.keep_epochs=false",
        f"train.evaluate_every_steps={NEVER}",
        f"train.save_every_steps={NEVER}",
        "batches.batch_size=null",
        "batches.padded_seconds=60",
        "batches.order=random",
        "batches.num_workers=0",
        f"batches.encoder_states.folder={options.output.resolve() / 'states'}",
        "augment.spec_augment=null",
        *options.set,
        *more,
    ]
    return load_recipe("l2-multitask", overrides, presets=("frozen", "whisper-base", "by-phone"))


# ── heads ──


def run_states(options: argparse.Namespace) -> None:
    """Stores the states of all rows: those of a fold's test speakers are not part of its training."""
    rows, folder = rows_of(options), options.output / "encoding"
    everything = Splits(pa.array(rows.ids), np.zeros(len(rows), np.int8), {})
    recipe = recipe_of(options, "plain", ["train.max_steps=1"])
    shutil.rmtree(folder, ignore_errors=True)
    train_recipe(recipe, rows, everything, folder, console=Console(quiet=True))
    shutil.rmtree(folder)


def run_heads(options: argparse.Namespace) -> None:
    """Trains each arm on each fold, and stores what the last weights give for every phone of all rows."""
    rows = rows_of(options)
    for arm in options.arms:
        for number, splits in enumerate(folds_of(rows, options), start=1):
            file = options.output / f"phones-{arm}-{number}.npz"
            if file.exists():
                continue
            folder = options.output / f"{arm}-{number}"
            resume = RunFolder(folder).has_checkpoint
            if folder.exists() and not resume:
                shutil.rmtree(folder)
            began = time.monotonic()
            train_recipe(
                recipe_of(options, arm), rows, splits, folder, resume=resume, console=Console(quiet=True)
            )
            trained = time.monotonic() - began
            columns = phones_of(RunFolder(folder).bundles / "last", rows, splits, options, arm == "plain")
            np.savez_compressed(file, **columns)  # type: ignore[arg-type]
            shutil.rmtree(folder)
            print(
                f"{arm}, fold {number}: {trained:.0f} s of training, {time.monotonic() - began:.0f} s in all",
                flush=True,
            )


def phones_of(
    bundle: Path, rows: Manifest, splits: Splits, options: argparse.Namespace, with_gop: bool
) -> Columns:
    """What a model gives for every phone, from the stored states of all rows."""
    import torch

    from soritune.audio.preprocessing import Preprocessing
    from soritune.bundles.read import load_bundle
    from soritune.draws import Draws
    from soritune.models.loading import load_model
    from soritune.models.losses.loss import log_probabilities
    from soritune.training.batches.collate import Collator
    from soritune.training.batches.loader import load_batches
    from soritune.training.batches.plan import plan_evaluation
    from soritune.training.batches.state_keys import KeyedRows, RowKeys
    from soritune.training.batches.state_store import StateStore
    from soritune.training.encoder_states import digest_of

    model, card = load_model(bundle, "cpu"), load_bundle(bundle)
    (task,) = card.tasks
    preprocessing = Preprocessing(**card.preprocessing)
    store = StateStore(options.output.resolve() / "states")
    keys = RowKeys(rows, digest_of(model), preprocessing, AugmentSettings(), seed=0, phase=0, copies=1)
    states = KeyedRows(store, keys, augmented=False, shape=(model.num_kept_states, model.hidden_size))
    collator = Collator(
        rows,
        card.tasks,
        preprocessing,
        num_frames=model.geometry.num_frames,
        hidden_size=model.hidden_size,
        states=states,
    )
    plan = plan_evaluation(np.arange(len(rows)), rows.durations_s, padded_seconds=60)
    batches = load_batches(plan, collator, Draws(0, 0, 0), list(range(plan.num_micro_batches)), num_workers=0)
    names = {0: "train", 1: "val", 2: "test"}
    part_of = {
        rows.utterance(int(index)).id: code
        for code, name in names.items()
        for index in splits.indices(rows, name)
    }
    symbols = {spec.name: spec.labels for spec in model.outputs}["phoneme"]
    parts: list[Columns] = []
    for batch in batches:
        if batch.unread:
            raise SystemExit("some clips have no stored states; run --only states first")
        with torch.no_grad():
            output = model(**batch.inputs)
        scores = {
            spec.name: log_probabilities(spec, output.logits[spec.name]).numpy() for spec in model.outputs
        }
        for index, row in enumerate(batch.rows.tolist()):
            utterance = rows.utterance(row)
            if utterance.id not in part_of:
                continue
            frames = int(output.num_frames[index])
            given = {name: value[index, :frames] for name, value in scores.items()}
            fields = dict(task.decode(given, task.prompt_of(utterance)).fields)
            columns = _clip_columns(utterance, given["phoneme"], fields, symbols, with_gop)
            if columns is not None:
                count = len(columns["score"])
                parts.append({**columns, "part": np.full(count, part_of[utterance.id], np.int8)})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _clip_columns(
    utterance: Utterance,
    scores: NDArray[np.floating],
    fields: Mapping[str, Any],
    symbols: Sequence[str],
    with_gop: bool,
) -> Columns | None:
    """The phones of one clip; None if it has no room for them."""
    canonical = list(utterance.canonical or ())
    ids = np.array([symbols.index(phone) for phone in canonical])
    if frames_needed(ids) > len(scores) or "segment_errors" not in fields or "slot_errors" not in fields:
        return None
    columns: Columns = {
        "score": np.array(utterance.extra["scores"], np.float32),
        "speaker": np.full(len(ids), str(utterance.speaker)),
        "phone": ids,
        "clip": np.full(len(ids), utterance.id),
        "segment": np.array(fields["segment_errors"], np.float32),
        "slots": np.array(fields["slot_errors"], np.float32),
    }
    if not with_gop:
        return columns
    heard = [
        float(expected != actual)
        for expected, actual in align(canonical, fields["phones"]).columns
        if expected is not None
    ]
    path = viterbi(scores, ids, 0)
    spans = territories(path, len(scores), reach=0)
    limited = np.maximum(scores, LEAST_LOG)
    softmax = [limited[start:stop, label].mean() for (start, stop), label in zip(spans, ids, strict=True)]
    candidates = [index for index, symbol in enumerate(symbols) if index and symbol not in ("sil", "err")]
    free = score_slots(scores, ids, 0, candidates, alignment=path)
    ratios = np.clip(free.ratios[:, [*candidates, -1]], LEAST_LOG, -LEAST_LOG)
    return {
        **columns,
        "heard": np.array(heard, np.float32),
        "softmax": np.array(softmax, np.float32),
        "free": np.maximum(free.goodness(ids), LEAST_LOG).astype(np.float32),
        "vector": np.concatenate([ratios, free.occupancy[:, None]], axis=1).astype(np.float32),
    }


# ── methods ──


def methods_of(plain: Columns, swapped: Columns | None) -> dict[str, NDArray[np.float64]]:
    """By method, a number for each phone of a fold that is higher for a wrong phone."""
    results = {
        "always-correct": np.zeros(len(plain["score"])),
        REFERENCE: -plain["softmax"].astype(np.float64),
        "disagreement": plain["heard"].astype(np.float64),
        "free-gop": -plain["free"].astype(np.float64),
        "svr": -_svr(plain),
        "slots": plain["slots"].astype(np.float64),
        "segment": plain["segment"].astype(np.float64),
    }
    if swapped is not None:
        results["segment-swapped"] = swapped["segment"].astype(np.float64)
    results["joined"] = _joined(plain, results)
    return results


def _svr(columns: Columns) -> NDArray[np.float64]:
    """Scores by an SVR per phone on the GOP vectors of the training speakers; the mean score for rare phones."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    is_train = columns["part"] == 0
    predicted = np.full(len(is_train), float(columns["score"][is_train].mean()))
    for phone in np.unique(columns["phone"]):
        here = columns["phone"] == phone
        train = here & is_train
        if train.sum() < 20:
            predicted[here] = columns["score"][train].mean() if train.any() else predicted[here]
            continue
        model = make_pipeline(StandardScaler(), SVR(C=1.0, epsilon=0.1))
        model.fit(columns["vector"][train], columns["score"][train])
        predicted[here] = model.predict(columns["vector"][here])
    return predicted


def _joined(columns: Columns, results: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Logistic regression on three methods, fitted on the development speakers."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    head = np.clip(results.get("segment-swapped", results["segment"]), 1e-4, 1 - 1e-4)
    features = np.stack(
        [np.log(head / (1 - head)), results["free-gop"], results["disagreement"], results["svr"]], axis=1
    )
    is_val, wrong = columns["part"] == 1, columns["score"] < WRONG_BELOW
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(features[is_val], wrong[is_val])
    probabilities: NDArray[np.float64] = model.predict_proba(features)[:, 1]
    return probabilities


# ── judging ──


def speaker_counts(columns: Columns, value: NDArray[np.float64]) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Counts of each test speaker of a fold, with thresholds and maps from its development speakers.

    Values become shares of the development phones with a lower value, so that folds can be added up.
    """
    from sklearn.isotonic import IsotonicRegression

    wrong = columns["score"] < WRONG_BELOW
    is_val, is_test = columns["part"] == 1, columns["part"] == 2
    known = np.sort(value[is_val])
    rank = (np.searchsorted(known, value, side="left") + np.searchsorted(known, value, side="right")) / (
        2 * len(known)
    )
    bins = binned(rank[is_val], wrong[is_val])
    # A detector without any order calls no phone wrong.
    is_constant = known[0] == known[-1]
    best = 2.0 if is_constant else best_f1_threshold(bins) or 0.0
    low = 2.0 if is_constant else low_rejection_threshold(bins) or 0.0
    scale = IsotonicRegression(increasing=False, out_of_bounds="clip")
    scale.fit(rank[is_val], columns["score"][is_val])
    predicted = np.zeros(len(rank)) if is_constant else scale.predict(rank)
    counts = {}
    for speaker in np.unique(columns["speaker"][is_test]):
        here = is_test & (columns["speaker"] == speaker)
        x, y = predicted[here].astype(np.float64), columns["score"][here].astype(np.float64)
        counts[str(speaker)] = {
            "bins": binned(rank[here], wrong[here]).ravel(),
            "best": np.array(slot_counts(rank[here] >= best, wrong[here]), float),
            "low": np.array(slot_counts(rank[here] >= low, wrong[here]), float),
            "moments": np.array([len(x), x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum()]),
        }
    return counts


def rates_of(counts: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """AUC, PCC, and F1, recall and false rejections at both thresholds, of summed counts."""
    best, low = slot_rates(counts["best"]), slot_rates(counts["low"])
    count, x, y, xx, yy, xy = counts["moments"]
    spread = (count * xx - x * x) * (count * yy - y * y)
    return {
        "auc": area_under_curve(counts["bins"].reshape(2, NUM_BINS)),
        "f1": best["f1"],
        "precision": best["precision"],
        "recall": best["recall"],
        "false_rejection_rate": best["false_rejection_rate"],
        "low_f1": low["f1"],
        "low_recall": low["recall"],
        "low_false_rejection_rate": low["false_rejection_rate"],
        "pcc": float((count * xy - x * y) / np.sqrt(spread)) if spread > 1e-6 else 0.0,
    }


def run_judge(options: argparse.Namespace) -> None:
    """The tables of all methods over all folds that are finished."""
    speakers: dict[str, dict[str, dict[str, NDArray[np.float64]]]] = {}
    folds = 0
    for number in range(1, options.folds + 1):
        files = {arm: options.output / f"phones-{arm}-{number}.npz" for arm in ARMS}
        if not files["plain"].exists():
            continue
        folds += 1
        loaded = {arm: dict(np.load(file)) for arm, file in files.items() if file.exists()}
        plain, swapped = loaded["plain"], loaded.get("swapped")
        if swapped is not None and not np.array_equal(plain["clip"], swapped["clip"]):
            raise SystemExit(f"fold {number}: the arms have other phones; remove their phones-*.npz")
        for method, value in methods_of(plain, swapped).items():
            speakers.setdefault(method, {}).update(speaker_counts(plain, value))
    if not folds:
        raise SystemExit("no fold is finished; run --only heads first")
    lists = {method: [counts[name] for name in sorted(counts)] for method, counts in speakers.items()}
    intervals = {method: speaker_intervals(counts, rates_of) for method, counts in lists.items()}
    gaps = {
        method: paired_difference(lists[REFERENCE], counts, rates_of)
        for method, counts in lists.items()
        if len(counts) == len(lists[REFERENCE])
    }
    total = sum(counts["moments"][0] for counts in lists[REFERENCE])
    wrong = sum(counts["bins"].reshape(2, NUM_BINS)[1].sum() for counts in lists[REFERENCE])
    content = {
        "encoder": options.encoder,
        "folds": folds,
        "speakers": len(lists[REFERENCE]),
        "phones": int(total),
        "wrong": int(wrong),
        "rates": {m: {n: i.to_json() for n, i in rates.items()} for m, rates in intervals.items()},
        f"minus {REFERENCE}": {m: {n: i.to_json() for n, i in rates.items()} for m, rates in gaps.items()},
    }
    write_json(options.output / "results.json", content)
    text = summary(content, intervals, gaps)
    write_text(options.output / "summary.md", text)
    print(text)


def summary(
    content: Mapping[str, Any],
    intervals: Mapping[str, Mapping[str, Interval]],
    gaps: Mapping[str, Mapping[str, Interval]],
) -> str:
    """The results as Markdown."""

    def number(interval: Interval) -> str:
        return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"

    def share(interval: Interval) -> str:
        return f"{100 * interval.value:.1f} % [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"

    lines = [
        f"{content['speakers']} speakers in {content['folds']} folds, {content['phones']:,} phones, "
        f"{content['wrong']:,} of them wrong",
        "",
        "| method | AUC | F1 | correct called wrong | found at ≤ 5 % | correct called wrong there | PCC |",
        "|---|---|---|---|---|---|---|",
    ]
    for method, rates in intervals.items():
        cells = [
            number(rates["auc"]),
            share(rates["f1"]),
            share(rates["false_rejection_rate"]),
            share(rates["low_recall"]),
            share(rates["low_false_rejection_rate"]),
            number(rates["pcc"]),
        ]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    lines += [
        "",
        f"| minus {REFERENCE}, paired | AUC, points | F1, points | PCC, points |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {method} | {points(rates['auc'])} | {points(rates['f1'])} | {points(rates['pcc'])} |"
        for method, rates in gaps.items()
        if method != REFERENCE
    ]
    return "\n".join(lines) + "\n"


PARTS = {"states": run_states, "heads": run_heads, "judge": run_judge}


def main() -> None:
    """Parses the command line and runs the parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the results")
    parser.add_argument(
        "--encoder", default="openai/whisper-base", help="hub name, folder, or packaged model"
    )
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--layers", nargs="+", type=int, default=[4, 6], help="layers that heads read")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clips", type=int, help="clips per speaker; all by default")
    parser.add_argument("--set", nargs="*", default=[], help="further settings of the recipe")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for part in options.only:
        PARTS[part](options)


if __name__ == "__main__":
    main()

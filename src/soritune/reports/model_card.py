"""README.md of a bundle: what it is, how it was judged, what it must not be used for. Readable on the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from soritune.bundles.measured import KEY as MEASURED
from soritune.bundles.measured import measured_from_json, measured_text
from soritune.bundles.notice import notice_section
from soritune.inference.header import RECOGNISED_LABELS, tasks_of
from soritune.reports.numbers import rate_range_text, rate_text
from soritune.reports.scores import Scores, TaskScores
from soritune.run_folder import read_card
from soritune.tasks.task import Task
from soritune.terminal_text import counted
from soritune.whole_file import write_text

EXCLUDED_USES = (
    "Decisions about a person: hiring, dismissal, admission, grades with consequences, insurance, police, borders.",
    "Diagnosis, screening or therapy. Its errors would count as errors of the speaker.",
    "Recognising or verifying who speaks, or inferring a speaker's origin, health, age or sex.",
    "Surveillance, or recordings of people who do not know of it.",
)
LANGUAGES = {"ko": "Korean", "en": "English"}


def model_card(card: Mapping[str, Any], scores: Scores | None = None) -> str:
    """The text of README.md, with the front matter the Hugging Face hub reads.

    Args:
        card: content of `soritune.json`.
        scores: of an evaluation of this bundle; without them the section states that it was not judged.

    Raises:
        UnknownNameError: a task that is not installed.
        BundleError: the card's settings of a task are faulty.
    """
    tasks = tasks_of(card)
    parts = [
        front_matter_text(front_matter(card, tasks)),
        f"# {card.get('name', 'model')}",
        summary(card, tasks, scores),
        _use(card),
        training_section(card),
        f"## Results\n\n{results_text(card, tasks, scores)}",
        *closing_sections(card, tasks),
    ]
    return "\n\n".join(parts) + "\n"


def closing_sections(card: Mapping[str, Any], tasks: Sequence[Task]) -> list[str]:
    """Excluded uses, the notice of the weights, and the limits of the tasks; the last two where there are any."""
    limits = [" ".join(task.limits) for task in tasks if task.limits]
    sections = [
        _excluded_uses(tasks),
        notice_section(card),
        "\n\n".join(["## Limits", *limits]) if limits else None,
    ]
    return [section for section in sections if section is not None]


def write_model_card(bundle: Path | str, scores: Scores | None = None) -> Path:
    """Writes README.md into a bundle.

    Raises:
        BundleError: the folder is not a bundle.
        OutputError: the path cannot be written to.
    """
    return write_text(Path(bundle) / "README.md", model_card(read_card(bundle), scores))


def front_matter(card: Mapping[str, Any], tasks: Sequence[Task]) -> dict[str, Any]:
    """The fields that the hub reads, as far as the card has them."""
    random = (card.get("model") or {}).get("random_weights")
    base = None if random else (card.get("encoder") or {}).get("source")
    synthetic = ["synthetic-data"] if _synthetic(card) else []
    fields = {
        "language": ["ko"],
        "library_name": "peft" if card.get("kind") == "adapter" else "transformers",
        "pipeline_tag": next((task.hub_tag for task in tasks if task.hub_tag), None),
        "base_model": base if base and not Path(str(base)).exists() else None,
        "license": "other" if card.get("licence") else None,
        "license_name": card.get("licence"),
        "tags": ["soritune", "speech", *(task.name for task in tasks), *synthetic],
    }
    return {name: value for name, value in fields.items() if value is not None}


def front_matter_text(fields: Mapping[str, Any]) -> str:
    """The fields as YAML between lines of hyphens."""
    return f"---\n{yaml.safe_dump(dict(fields), allow_unicode=True, sort_keys=False)}---"


def summary(card: Mapping[str, Any], tasks: Sequence[Task], scores: Scores | None) -> str:
    """What the model is, what its training means for a reader, and its outputs."""
    encoder = card.get("encoder") or {}
    names = " and ".join(task.name for task in tasks)
    lines = [f"A {encoder.get('model_type', 'speech')} model for {names}, trained with soritune."]
    if card.get("kind") == "adapter":
        lines.append(
            f"It holds adapters and heads only and needs `{(card.get('base') or {}).get('source')}`."
        )
    if _synthetic(card):
        on_people = scores is not None and scores.header.data.synthetic is False
        shown = "" if on_people else ": nothing it does with people's voices has been shown"
        lines.append(f"**Trained on synthetic speech**, at least in part{shown}.")
    recognised = _recognised_labels(card)
    if recognised:
        lines.append(
            f"**Labels from recognised text**: {recognised}; what the recogniser got wrong was learnt too."
        )
    outputs = [
        f"- `{output['name']}`: {output['objective']}, one answer per {output['resolution']}, "
        f"{len(output['labels'])} labels: {' '.join(output['labels'])}"
        for output in card["outputs"]
    ]
    return "\n".join([" ".join(lines), "", *outputs])


def _use(card: Mapping[str, Any]) -> str:
    rate = (card.get("preprocessing") or {}).get("sample_rate_hz", 16000)
    command = "```\nsoritune predict --bundle . clip.wav\n```"
    return f"## Use\n\n{command}\n\nAny rate and format is resampled to {rate} Hz mono."


def training_section(card: Mapping[str, Any]) -> str:
    """The facts about the training, as a table."""
    data, training = card.get("data") or {}, card.get("training") or {}
    policy = data.get("split") or {}
    hours = ", ".join(f"{name} {value:.2f} h" for name, value in (data.get("hours") or {}).items())
    by = ", ".join(policy.get("by", []))
    split = (
        "at random, so speakers are on both sides" if by == "random" else f"disjoint by {by}" if by else None
    )
    averaged = (
        f"moving average, decay {training.get('ema_decay')}" if training.get("weights") == "ema" else None
    )
    rows = [
        ("Recipe", card.get("recipe_name")),
        ("Corpora", ", ".join(data.get("sources") or [])),
        ("Speech", hours),
        ("Labels from recognised text", _recognised_labels(card)),
        ("Sounds added in training", "; ".join(map(_recordings, data.get("recordings") or []))),
        ("Split", split),
        ("Phase", f"{training['phase']} of {training['phases']}" if training.get("phases") else None),
        ("Step", training.get("step")),
        ("Weights", averaged),
        ("Seed", card.get("seed")),
        ("Manifest (sha256)", data.get("manifest_hash")),
        ("Created", card.get("created")),
        ("Licence", card.get("licence")),
        ("Started from", _started_from(card.get("start"))),
    ]
    lines = [f"| {name} | {value} |" for name, value in rows if value not in (None, "")]
    return "\n".join(["## Training", "", "| | |", "|---|---|", *lines])


def _recordings(origin: Mapping[str, Any]) -> str:
    """`musan (noise_files, 930 files, CC BY 4.0)`."""
    licence = origin.get("licence") or "licence not stated"
    kind = str(origin.get("augmentation")).rpartition(".")[2]
    return f"{origin.get('folder')} ({kind}, {counted(int(origin.get('files') or 0), 'file')}, {licence})"


def _started_from(start: Mapping[str, Any] | None) -> str:
    """`soritune/tiny-ko (synthetic speech …; speechocean762, CC BY 4.0)`, and so on back to where it began."""
    starts = []
    while start:
        licence = start.get("licence")
        starts.append(f"{start.get('name')}" + (f" ({licence})" if licence else ""))
        start = start.get("start")
    return ", itself from ".join(starts)


def results_text(card: Mapping[str, Any], tasks: Sequence[Task], scores: Scores | None) -> str:
    """The scores as tables; without them what the card has about its error, or that it was not judged."""
    if scores is None:
        measured = measured_from_json(card.get(MEASURED) or [])
        if measured:
            return f"Measured: {measured_text(measured, tasks)}. Intervals: 95 %."
        return "Not judged yet: `soritune evaluate` writes this part."
    header = scores.header
    decoded = f", decoder {header.decoder_text}" if header.decoder else ""
    lines = [
        f"Split {header.data.split or 'all'}{decoded}: "
        f"{counted(scores.num_utterances, 'clip')} of {counted(scores.num_speakers, 'speaker')}. "
        "Intervals: 95 %, bootstrap over speakers.",
    ]
    lines += [f"\n> {text}" for text in scores.warnings]
    judged = header.tasks_by_name
    for name, task_scores in scores.tasks.items():
        lines += ["", *_rates(judged[name], task_scores)]
    return "\n".join(lines)


def _rates(task: Task, scores: TaskScores) -> list[str]:
    """A table of Markdown."""
    before = scores.before
    titles = [task.name, *(["before fine-tuning", "after"] if before else ["value"]), "95 % interval"]
    titles += [f"baseline: {name}" for name in scores.baselines]
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    for rate, interval in scores.rates.items():
        first = before.rates.get(rate) if before else None
        cells = [f"`{rate}`", *([rate_text(task, rate, first.value if first else None)] if before else [])]
        cells += [rate_text(task, rate, interval.value), rate_range_text(task, rate, interval)]
        cells += [rate_text(task, rate, baseline.rates.get(rate)) for baseline in scores.baselines.values()]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _excluded_uses(tasks: Sequence[Task]) -> str:
    """Uses that no model of speech is for. A task adds its own as `limits`."""
    languages = " and ".join(languages_of(tasks).values())
    uses = [*EXCLUDED_USES, f"Speech in other languages than {languages}, which it was not trained on."]
    return "\n".join(["## What it must not be used for", "", *(f"- {use}" for use in uses)])


def languages_of(tasks: Sequence[Task]) -> dict[str, str]:
    """Codes of the tasks' languages and their names: `{"ko": "Korean"}`."""
    given = (str(getattr(task.config, "language", None) or "ko") for task in tasks)
    codes = dict.fromkeys(language.partition("-")[0].lower() for language in given)
    return {code: LANGUAGES.get(code, code) for code in codes}


def _recognised_labels(card: Mapping[str, Any]) -> str | None:
    """`120 of 132 training and validation rows`; None without any."""
    counts = (card.get("data") or {}).get(RECOGNISED_LABELS)
    return f"{counts['rows']} of {counts['of']} training and validation rows" if counts else None


def _synthetic(card: Mapping[str, Any]) -> bool:
    return bool((card.get("data") or {}).get("synthetic"))

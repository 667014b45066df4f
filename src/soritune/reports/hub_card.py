"""README.md of a model on the Hugging Face hub: the model card with results in its front matter, and how to load it.

The fields are those of https://huggingface.co/docs/hub/model-cards and of its model-index.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from soritune.bundles.licences import licences_of
from soritune.bundles.measured import KEY as MEASURED
from soritune.bundles.measured import Measured, measured_from_json
from soritune.bundles.packaged import PACKAGED
from soritune.inference.header import tasks_of
from soritune.reports.model_card import (
    closing_sections,
    front_matter,
    front_matter_text,
    languages_of,
    results_text,
    summary,
    training_section,
)
from soritune.reports.numbers import has_range
from soritune.reports.scores import Scores
from soritune.tasks.headline import is_share
from soritune.tasks.task import Task

HUB_LICENCES = {
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "openrail", "unlicense", "cc0-1.0"),
    *("gpl-3.0", "lgpl-3.0", "agpl-3.0"),
    *(
        f"cc-by{terms}-{version}"
        for terms in ("", "-sa", "-nc", "-nd", "-nc-sa", "-nc-nd")
        for version in ("3.0", "4.0")
    ),
}
"""Licences that the hub knows by these ids; all others are `other` with a name."""
FALLBACK_TAG = "audio-classification"
"""Task type of results of a task without a tag of the hub."""


@dataclass(frozen=True, slots=True)
class HubOptions:
    """What a card on the hub has beside the facts of the bundle."""

    repo: str | None = None
    """`owner/name`; None writes a placeholder."""
    licence: str | None = None
    """Of the weights: an id of the hub, or a name."""
    licence_link: str | None = None
    base_model: str | None = None
    """Published name of the weights that training started from, if the bundle does not state it."""
    datasets: tuple[str, ...] = ()
    """Names of data sets on the hub that it was trained on."""
    intended_use: str | None = None
    has_onnx: bool = False
    thresholds: str | None = None
    """Name of the thresholds of `soritune assess` in the folder; None without them."""


@dataclass(frozen=True, slots=True)
class HubResult:
    """Scores of the model on one set of recordings."""

    data: str
    """What the recordings are called."""
    scores: Scores
    of_own_corpus: bool = False
    """Whether they are a split of the corpus that it was trained on."""


def hub_card(
    card: Mapping[str, Any], results: Sequence[HubResult] = (), options: HubOptions | None = None
) -> str:
    """The text of README.md.

    Args:
        card: content of `soritune.json`.
        results: of evaluations of this bundle; without them the card has the error rates that the bundle states, or
            that it was not judged.
        options: what the bundle does not know.

    Raises:
        UnknownNameError: a task that is not installed.
        BundleError: the card's settings of a task are faulty.
    """
    given = options or HubOptions()
    tasks = tasks_of(card)
    first = results[0].scores if results else None
    parts = [
        front_matter_text(_fields(card, tasks, results, given)),
        f"# {card.get('name', 'model')}",
        summary(card, tasks, first),
        _intended_use(tasks, given),
        _loading(card, tasks, given),
        training_section(card),
        _licences(card, given),
        "## Results",
    ]
    if not results:
        parts.append(results_text(card, tasks, None))
    for result in results:
        parts += [f"### {result.data}", results_text(card, tasks, result.scores)]
    return "\n\n".join([*parts, *closing_sections(card, tasks)]) + "\n"


def hub_name_of_base(card: Mapping[str, Any], options: HubOptions) -> str | None:
    """The name on the hub of the weights that training started from; None for random weights and unknown names."""
    stated = front_matter(card, ()).get("base_model")
    return options.base_model or (stated if stated and not str(stated).startswith(PACKAGED) else None)


def _fields(
    card: Mapping[str, Any], tasks: Sequence[Task], results: Sequence[HubResult], options: HubOptions
) -> dict[str, Any]:
    fields = front_matter(card, tasks)
    for name in ("base_model", "license", "license_name"):
        fields.pop(name, None)
    fields["language"] = list(languages_of(tasks))
    base = hub_name_of_base(card, options)
    if base is not None:
        relation = "adapter" if card.get("kind") == "adapter" else "finetune"
        fields |= {"base_model": base, "base_model_relation": relation}
    fields |= _licence_fields(card, options)
    if options.datasets:
        fields["datasets"] = list(options.datasets)
    entries = _scored(results, options) if results else _measured(card)
    fields["metrics"] = list(dict.fromkeys(task.primary_metric.name for task in tasks))
    index = [_index_entry(task, entry) for entry in entries for task in tasks if task.name == entry.task]
    if index:
        name = (options.repo or str(card.get("name", "model"))).rpartition("/")[2]
        fields["model-index"] = [{"name": name, "results": index}]
    return fields


def _licence_fields(card: Mapping[str, Any], options: HubOptions) -> dict[str, Any]:
    licence = options.licence or card.get("licence")
    if licence is None:
        return {}
    link = {"license_link": options.licence_link} if options.licence_link else {}
    if options.licence is not None and options.licence.lower() in HUB_LICENCES:
        return {"license": options.licence.lower(), **link}
    return {"license": "other", "license_name": str(licence), **link}


@dataclass(frozen=True, slots=True)
class _Entry:
    """Rates of one task on one set of recordings."""

    task: str
    data: str
    data_type: str
    split: str | None
    rates: Mapping[str, _Rate]


@dataclass(frozen=True, slots=True)
class _Rate:
    value: float
    interval: tuple[float, float] | None
    """95 %, over speakers."""
    speakers: int | None
    reliable: bool | None = None
    """Whether there were enough speakers; None if that is not known."""


def _scored(results: Sequence[HubResult], options: HubOptions) -> Iterator[_Entry]:
    for result in results:
        of_hub = options.datasets if result.of_own_corpus and len(options.datasets) == 1 else ()
        for task, scores in result.scores.tasks.items():
            rates = {
                name: _Rate(
                    interval.value,
                    (interval.low, interval.high) if has_range(interval) else None,
                    interval.num_speakers,
                    interval.reliable,
                )
                for name, interval in scores.rates.items()
                if math.isfinite(interval.value)
            }
            split = result.scores.header.data.split
            yield _Entry(task, result.data, of_hub[0] if of_hub else _slug(result.data), split, rates)


def _measured(card: Mapping[str, Any]) -> Iterator[_Entry]:
    by_set: dict[tuple[str, str], list[Measured]] = {}
    for entry in measured_from_json(card.get(MEASURED) or []):
        by_set.setdefault((entry.rate.partition("/")[0], entry.set), []).append(entry)
    for (task, data), entries in by_set.items():
        rates = {
            entry.rate.partition("/")[2]: _Rate(entry.value, entry.interval, entry.speakers)
            for entry in entries
        }
        yield _Entry(task, data, _slug(data), None, rates)


def _index_entry(task: Task, entry: _Entry) -> dict[str, Any]:
    dataset = {"type": entry.data_type, "name": entry.data}
    if entry.split is not None:
        dataset["split"] = entry.split
    return {
        "task": {"type": task.hub_tag or FALLBACK_TAG, "name": task.name},
        "dataset": dataset,
        "metrics": [_metric(task, name, rate) for name, rate in entry.rates.items()],
    }


def _metric(task: Task, name: str, rate: _Rate) -> dict[str, Any]:
    """Shares are in percent, as their names state."""
    description = task.rate_descriptions.get(name)
    # Titles of the other rates refer to that of the primary one.
    title = name.replace("_", " ")
    if description is not None and name == task.primary_metric.name:
        title = description.title.split(",")[0]
    factor, places, unit = (100, 2, ", %") if is_share(task, name) else (1, 4, "")
    metric = {"type": name, "name": f"{title}{unit}", "value": round(factor * rate.value, places)}
    facts: dict[str, Any] = {}
    if rate.interval is not None:
        facts["interval_95"] = [round(factor * end, places) for end in rate.interval]
    if rate.speakers is not None:
        facts |= {"resampled": "speakers", "speakers": rate.speakers}
    if rate.reliable is not None:
        facts["reliable"] = rate.reliable
    return {**metric, "args": facts} if facts else metric


def _slug(name: str) -> str:
    """A name in the characters of a data set on the hub."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.").lower() or "recordings"


def _intended_use(tasks: Sequence[Task], options: HubOptions) -> str:
    names = " and ".join(task.name for task in tasks)
    languages = " and ".join(languages_of(tasks).values())
    default = (
        f"Output of the task {names} for recorded {languages} speech like that of the results below. Measure it on "
        "recordings of your own speakers and microphones before you rely on it, and let a person decide what follows "
        "from its output."
    )
    return f"## Intended use\n\n{options.intended_use or default}"


def _loading(card: Mapping[str, Any], tasks: Sequence[Task], options: HubOptions) -> str:
    repo = options.repo or "OWNER/NAME"
    lines = [
        "## How to load it",
        "",
        "With soritune, every output and the preprocessing of the training:",
        "",
        f"```\nhf download {repo} --local-dir model\nsoritune predict clip.wav --bundle model\n```",
    ]
    if options.has_onnx:
        lines += [
            "",
            "Without torch, by ONNX Runtime:",
            "",
            "```\nsoritune predict clip.wav --bundle model/onnx --backend onnx-runtime\n```",
        ]
    if options.thresholds is not None:
        lines += [
            "",
            f"How a given text was pronounced, with the thresholds {options.thresholds} of thresholds.yaml, which "
            "states on what they were chosen:",
            "",
            '```\nsoritune assess clip.wav --text "…" --bundle model\n```',
        ]
    lines += ["", *_transformers(card, repo)]
    rate = (card.get("preprocessing") or {}).get("sample_rate_hz", 16000)
    return "\n".join([*lines, "", f"soritune resamples any rate and format to {rate} Hz mono."])


def _transformers(card: Mapping[str, Any], repo: str) -> list[str]:
    classes = ((card.get("encoder") or {}).get("config") or {}).get("architectures") or [""]
    name, rate = str(classes[0]), (card.get("preprocessing") or {}).get("sample_rate_hz", 16000)
    if card.get("kind") == "adapter":
        return [
            "The files are also those of peft. The base needs a head of the right size first; the commands are in "
            "soritune's docs/bundle.md."
        ]
    if name.endswith("ForCTC"):
        code = (
            "import torch\n"
            "from transformers import AutoFeatureExtractor, AutoModelForCTC, AutoTokenizer\n\n"
            f'model = AutoModelForCTC.from_pretrained("{repo}").float().eval()\n'
            f'features = AutoFeatureExtractor.from_pretrained("{repo}")\n'
            f'inputs = features(samples, sampling_rate={rate}, return_tensors="pt")  # mono, {rate} Hz\n'
            f'tokenizer = AutoTokenizer.from_pretrained("{repo}")\n'
            "with torch.no_grad():\n"
            "    logits = model(**inputs).logits\n"
            "print(tokenizer.batch_decode(logits.argmax(-1)))"
        )
    elif name.endswith("Classification"):
        code = (
            "from transformers import pipeline\n\n"
            f'classify = pipeline("audio-classification", model="{repo}")\n'
            f"print(classify(samples))  # mono, {rate} Hz"
        )
    else:
        return ["transformers opens the encoder; the heads need soritune."]
    return ["With transformers, the first output:", "", f"```python\n{code}\n```"]


def _licences(card: Mapping[str, Any], options: HubOptions) -> str:
    """The licences of what it was trained on, and what they forbid."""
    lines = ["## Data and licences", "", "| trained on | licence | forbids |", "|---|---|---|"]
    for licence in licences_of(card):
        cells = (licence.subject, licence.text or "not stated", ", ".join(licence.forbids) or "–")
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    weights = f"The weights are published under: {options.licence}." if options.licence else None
    forbidden = sorted({what for licence in licences_of(card) for what in licence.forbids})
    if forbidden:
        lines += ["", f"**Licences of the training data forbid {' and '.join(forbidden)}.**"]
    return "\n".join([*lines, *(["", weights] if weights else [])])

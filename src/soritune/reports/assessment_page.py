"""Pages of assessments: one per learner with players, and a table of the class. Next: `reports/weak_sounds.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import yaml

from soritune.inside_folder import file_names
from soritune.reports.numbers import percent
from soritune.reports.templates import page_environment, resource
from soritune.reports.weak_sounds import (
    Answer,
    Sound,
    phones_of,
    right_share,
    sound_key,
    sound_name,
    sounds_of,
    weakest,
)
from soritune.whole_file import write_text

Language = Literal["ko", "en"]
SOUNDS_SHOWN = 8
"""Weakest sounds of a learner, and of a class."""
DATES_SHOWN = 8
"""The last dates of a class."""


def write_pages(
    path: Path | str, answers: Sequence[Answer], audio: Mapping[str, str], language: Language
) -> list[Path]:
    """Writes the page of one learner, or that of a class with the pages of its learners in a folder beside it.

    Args:
        path: of the HTML file; the learners' pages of a class are in the folder of the same name without suffix.
        answers: of `soritune assess`; their `speaker` is the learner.
        audio: data URIs by the answers' ids; answers without one have no player.
        language: of the pages.

    Returns:
        The files, the class first.

    Raises:
        OutputError: they cannot be written.
    """
    path = Path(path)
    learners: dict[str | None, list[Answer]] = {}
    for answer in answers:
        learners.setdefault(answer.get("speaker"), []).append(answer)
    if len(learners) < 2:
        name = next(iter(learners), None)
        return [write_text(path, learner_page(name, answers, audio, language))]
    folder = path.with_suffix("")
    names = dict(zip(learners, file_names([name or "" for name in learners], ".html"), strict=True))
    links = {name: f"{quote(folder.name)}/{quote(file)}" for name, file in names.items()}
    pages = [write_text(path, class_page(learners, links, language))]
    for name, own in learners.items():
        pages.append(write_text(folder / names[name], learner_page(name, own, audio, language)))
    return pages


def learner_page(
    learner: str | None, answers: Sequence[Answer], audio: Mapping[str, str], language: Language
) -> str:
    """The page of one learner: what to practise first, the weakest sounds, and every sentence with its phones."""
    words = page_words(language)
    sounds = sounds_of(answers)
    right, total = right_share(sounds)
    return _render(
        "assessment_page.html.j2",
        language,
        answers,
        title=learner or words["title"],
        kicker=words["title"] if learner else "soritune assess",
        lead=words["lead"].format(
            clips=len(answers), assessed=len(answers) - len(_failed(answers)), phones=total, correct=right
        ),
        failed=[_failure(answer, words) for answer in _failed(answers)],
        first=_first(answers, language),
        weak=_sounds_table(weakest(sounds)[:SOUNDS_SHOWN], words),
        clips=[_clip(answer, audio.get(answer["id"]), words) for answer in answers],
    )


def class_page(
    learners: Mapping[str | None, Sequence[Answer]], links: Mapping[str | None, str], language: Language
) -> str:
    """The table of a class: every learner with the weakest sounds, these sounds by learner, and over time."""
    words = page_words(language)
    every = [answer for answers in learners.values() for answer in answers]
    sounds = {learner: sounds_of(answers) for learner, answers in learners.items()}
    shown = weakest(sounds_of(every))[:SOUNDS_SHOWN]
    rows: list[dict[str, Any]] = []
    for learner, answers in learners.items():
        right, total = right_share(sounds[learner])
        rows.append(
            {
                "name": learner or words["no_learner"],
                "link": links.get(learner),
                "clips": len(answers) - len(_failed(answers)),
                "failed": len(_failed(answers)),
                "right": percent(right / total) if total else "–",
                "total": total,
                "weakest": [
                    (_name(sound, words), _count(sound)) for _, sound in weakest(sounds[learner])[:3]
                ],
                "cells": [_heat(sounds[learner].get(symbol)) for symbol, _ in shown],
                "dates": {},
            }
        )
    dates = sorted({answer["date"] for answer in every if answer.get("date")})[-DATES_SHOWN:]
    for row, answers in zip(rows, learners.values(), strict=True):
        row["dates"] = [_share_on(date, answers) for date in dates]
    return _render(
        "assessment_class.html.j2",
        language,
        every,
        title=words["class_title"],
        lead=words["class_lead"].format(
            learners=len(learners), clips=len(every), assessed=len(every) - len(_failed(every))
        ),
        failed=[
            _failure(answer, words) | {"name": learner or words["no_learner"], "link": links.get(learner)}
            for learner, answers in learners.items()
            for answer in _failed(answers)
        ],
        rows=rows,
        sounds=[_name(sound, words) for _, sound in shown],
        dates=dates,
        sound_dates=_sounds_by_date(shown, dates, every, words),
    )


@cache
def page_words(language: Language) -> Mapping[str, Any]:
    """The words of the pages in a language."""
    content: dict[str, Any] = yaml.safe_load(resource("assessment_page.yaml"))
    words: Mapping[str, Any] = content[language]
    return words


def _render(template: str, language: Language, answers: Sequence[Answer], **values: Any) -> str:
    words = page_words(language)
    first = answers[0] if answers else {}
    models = ", ".join(str(model.get("name")) for model in first.get("models", ()))
    footer = words["model"].format(
        models=models or "–",
        thresholds=first.get("thresholds", {}).get("name", "–"),
        version=first.get("soritune", "–"),
    )
    page = page_environment().get_template(template)
    css = resource("report.css") + resource("assessment_page.css")
    warnings = Counter(warning[language] for answer in answers for warning in answer.get("warnings") or ())
    warned = [words["warned"].format(count=count, text=text) for text, count in warnings.items()]
    return page.render(css=css, words=words, language=language, footer=footer, warned=warned, **values)


def _failed(answers: Sequence[Answer]) -> list[Answer]:
    """Those that were not assessed."""
    return [answer for answer in answers if not answer["assessable"]]


def _failure(answer: Answer, words: Mapping[str, Any]) -> dict[str, str]:
    """What a list of recordings that were not assessed shows of one."""
    return {"file": _file(answer), "text": answer["text"] or "", "reason": _reason(answer, words)}


def _reason(answer: Answer, words: Mapping[str, Any]) -> str:
    return str(words["outcomes"].get(answer["outcome"], answer["reason"]))


def _file(answer: Answer) -> str:
    """Which recording it is: its id, and the name of its file where the id does not contain it."""
    name = Path(answer.get("audio") or "").name
    return (
        str(answer["id"]) if name in ("", "(samples)") or name in answer["id"] else f"{answer['id']} · {name}"
    )


def _first(answers: Sequence[Answer], language: Language) -> dict[str, Any] | None:
    """The advice about the weakest sound that any advice names; None without advice."""
    advised = [answer for answer in answers if answer["advice"] is not None]
    if not advised:
        return None
    order = {symbol: number for number, (symbol, _) in enumerate(weakest(sounds_of(answers)))}

    def rank(answer: Answer) -> int:
        phone = _advised_phone(answer)
        return order.get(sound_key(phone), len(order))

    answer = min(advised, key=rank)
    phone = _advised_phone(answer)
    word = next(word for word, each in phones_of(answer) if each is phone)
    return {
        "text": answer["advice"][language],
        "clip": answer["id"],
        "file": _file(answer),
        "letter": phone["letter"],
        "word": word["text"],
        "start_s": word["start_s"],
        "end_s": word["end_s"],
    }


def _advised_phone(answer: Answer) -> Mapping[str, Any]:
    index = answer["advice"]["phone"]
    return next(phone for _, phone in phones_of(answer) if phone["index"] == index)


def _name(sound: Sound, words: Mapping[str, Any]) -> str:
    return words["final"].format(letter=sound.letter) if sound.is_final else sound.letter


def _count(sound: Sound) -> str:
    return f"{sound.errors}/{sound.total}"


def _sounds_table(sounds: Sequence[tuple[str, Sound]], words: Mapping[str, Any]) -> dict[str, Any]:
    rows = []
    for _, sound in sounds:
        low, high = sound.interval
        recognised = ", ".join(
            f"{words['missing'] if letter is None else letter} ×{count}"
            for letter, count in sound.recognised.most_common(3)
        )
        clip, word = sound.example or ("", None)
        cells = [(_name(sound, words), "", False), (_count(sound), f"{percent(low)} – {percent(high)}", True)]
        cells += [(recognised, "", False), (word or "", clip, False)]
        rows.append(
            {
                "primary": False,
                "cells": [
                    {"text": text, "small": small, "numeric": numeric, "share": None}
                    for text, small, numeric in cells
                ],
            }
        )
    titles = [
        (words["sound"], False),
        (words["errors"], True),
        (words["heard"], False),
        (words["example"], False),
    ]
    columns = [{"title": title, "numeric": numeric} for title, numeric in titles]
    return {"columns": columns, "rows": rows, "note": f"{words['ranking_note']} {words['interval_note']}"}


def _clip(answer: Answer, audio: str | None, words: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows of one sentence."""
    insertions: dict[int, list[str]] = {}
    for insertion in answer["insertions"] or ():
        insertions.setdefault(insertion["before"], []).append(insertion["letter"])
    errors = [
        {
            "word": word["text"] or "",
            "phone": phone,
            "heard": sound_name(phone["recognised_letter"] or ""),
            "accepted": _accepted(phone, words),
        }
        for word, phone in phones_of(answer)
        if phone["kind"] != "correct" or phone.get("accepted") is not None
    ]
    fluency = answer["fluency"] or {}
    facts = []
    if fluency.get("articulation_rate"):
        facts.append(words["rate"].format(rate=f"{fluency['articulation_rate']:.1f}"))
    if fluency.get("pauses"):
        facts.append(words["pauses"].format(count=len(fluency["pauses"])))
    return {
        "id": answer["id"],
        "file": _file(answer),
        "codec": (answer.get("recording") or {}).get("lossy_codec"),
        "text": answer["text"] or " ".join(phone["letter"] for _, phone in phones_of(answer)),
        "audio": audio,
        "date": answer.get("date"),
        "words": [_word(word) for word in answer["words"] or ()],
        "insertions": insertions,
        "last": (answer["counts"] or {}).get("phones", 0),
        "errors": errors,
        "facts": " · ".join(facts),
        "reason": None if answer["assessable"] else _reason(answer, words),
    }


def _word(word: Mapping[str, Any]) -> dict[str, Any]:
    """A word whose syllables are named as they are pronounced, like the sounds below them (일찍 일어나지: 기러나지)."""
    sounds = word.get("pronounced")
    spelling = "".join(character for character in word["text"] or "" if "가" <= character <= "힣")
    return {
        **word,
        "sounds": None if sounds == spelling else sounds,
        "syllables": [
            {**syllable, "shown": syllable.get("pronounced") or syllable["text"]}
            for syllable in word["syllables"]
        ],
    }


def _accepted(phone: Mapping[str, Any], words: Mapping[str, Any]) -> str:
    """Why a pronunciation other than the expected one is right, in the language of the page."""
    reason = phone.get("accepted_reason")
    return "" if reason is None else reason[words["code"]] or words["accepted"]


def _heat(sound: Sound | None) -> dict[str, Any]:
    """A cell of the class; its colour is stronger, the higher the lower end of the interval of its share of errors."""
    if sound is None or sound.total == 0:
        return {"text": "", "strength": 0}
    return {"text": _count(sound), "strength": min(90, round(200 * sound.interval[0]))}


def _sounds_by_date(
    shown: Sequence[tuple[str, Sound]],
    dates: Sequence[str],
    every: Sequence[Answer],
    words: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """The weakest sounds of the class on each date."""
    on_date = [sounds_of([answer for answer in every if answer.get("date") == date]) for date in dates]
    return [
        {"name": _name(sound, words), "cells": [_heat(sounds.get(symbol)) for sounds in on_date]}
        for symbol, sound in shown
    ]


def _share_on(date: str, answers: Sequence[Answer]) -> dict[str, Any]:
    right, total = right_share(sounds_of([answer for answer in answers if answer.get("date") == date]))
    return {"text": percent(right / total) if total else "", "total": total}

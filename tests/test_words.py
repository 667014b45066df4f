"""Phrases of a private dialect may not come back, neither in the source nor in the documents nor in the help texts.

Each pattern has the plain words to write instead. Underscores count as spaces, so that identifiers are searched too.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.command_tree import help_texts

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "soritune"
DOCUMENTS = ["docs", "README.md", "README.ko.md", "CHANGELOG.md", "CONTRIBUTING.md", "ARCHITECTURE.md"]
SEARCHED = [
    *DOCUMENTS,
    *sorted(path.relative_to(ROOT).as_posix() for path in SOURCE.iterdir() if path.name[0] != "_"),
]
"""Folders, which are searched whole, and files."""
SUFFIXES = {".py", ".md", ".yaml", ".html", ".j2", ".svg", ".sh"}

PHRASES = {
    # continuing
    r"\b(?:go|goes|going|gone|went) on\b": "continue, resume",
    r"\bfrom (?:\d|here|there|now|it|then) on\b": "from ..., starting at ...",
    # depending, contributing
    r"\b(?:hang|hangs|hanging|hung) on\b": "depend on",
    r"\b(?:a|no|any) say in\b": "contribute to",
    r"\bgoes? by\b": "use, follow, depend on",
    # people who are not people
    r"\bnobody\b": "'no process', 'no user', 'silently', or the passive",
    r"\b(?:some|any|every)body\b": "'a user', 'the caller', 'every speaker'",
    r"\bwhoever\b": "'the caller', 'the process that ...', 'the user'",
    r"\b's affair\b|\baffair of\b": "'X handles this'",
    r"\bbefalls?\b": "'happens to', or name the process that fails",
    r"\btakes? leave\b": "exit",
    # reporting
    r"(?<!what )(?<!that )\b(?:is|are|was|were) said\b": "'is reported', 'is logged'; of speech: 'is pronounced'",
    r"\b(?:is|are|was|were|be|been|being) told\b": "'is reported', 'is passed', 'is distinguished'",
    r"\b(?:say|says|said|saying|tell|tells) so\b": "'states it', 'reports it', or what exactly is stated",
    r"\b(?:hear|hears|heard|tell|tells|told|speak|speaks) of\b": "'report', 'mention', 'contain'",
    r"\bknows? (?:no|nothing)\b(?! about\b)": "'does not depend on', 'does not contain'",
    r"\btold by\b": "'reported by', 'determined by'",
    r"\b(?:told|tells?|telling) (?:\w+ )?apart\b": "distinguish",
    r"\btells (?:how|what|which|why|where)\b": "'states', 'describes', 'gives'",
    r"\bsays? nothing\b(?! about\b)": "'is empty', 'is not set', 'does not state'",
    r"\bwithout a word\b(?! boundary)": "silently",
    # negation
    r"(?<!there )(?<!which )\b(?:is|are|was|were) no (?!longer\b|more\b|less\b|\w+er\b)(?=[a-z{`'])": "'is not a ...'",
    r"\b(?:is|are|was|were) (?-i:none)\b": "'no X exists', 'X is missing'; make it two sentences",
    r"\b(?:has|have|had|names?|gives?|needs?|knows?|brings?|gets?|"
    r"finds?|makes?|wants?|leaves?|uses?) (?-i:none)\b": "'has no X', 'without X'",
    r"\b(?:is|are|was|were) not there\b": "'does not exist', 'is missing'",
    r"\bthere twice\b": "'is duplicated', 'occurs twice'",
    r"(?<!there is )\bnothing of\b": "'no X', 'none of the X'",
    # being somewhere, becoming something
    r"\blies? (?:in (?:the|this|a|an|its|their|no|it|them)|under|beside|on disk|elsewhere|there)\b": "'is in'",
    r"\bstands? (?:in (?!for\b|where\b|in\b)|under|beside|below|there|twice|alone)\b": "'is in', 'appears in'",
    r"\b(?:is|are|was|were) gone\b": "'has stopped', 'was deleted'",
    r"\b(?:become|becomes|became|comes|came) of\b": "'results from', 'the outcome of'",
    r"\bmore or less\b(?! often\b| than\b| of\b| likely\b)": "'adding or removing an X'; 'approximately'",
    # wanting and asking
    r"\bto be had\b": "available",
    r"\b(?:is|are|was|were) wanted\b": "'is requested', 'is needed'",
    r"\b(?:is|are|was|were|be|been) asked for\b": "'is requested'",
    r"\bso many (?:\w+ )?(?:steps|seconds|samples|lines|rows|"
    r"hours|voices|things|draws|utterances|clips)\b": "'N steps', 'this number of steps'",
    r"\bof use\b": "useful",
    r"\bwants? (?:[a-z]+=|small\b|large\b|keys\b|no\b)": "'expects', 'needs'",
    # changing
    r"\b(?:left|leaves?|stays?|kept) as (?:it|they) (?:is|are|was|were|stands?)\b": "'is left unchanged'",
    r"\bmend(?:s|ed|ing)?\b": "'fix', 'correct'",
    r"\b(?:gives?|given|gave) back\b": "return",
    r"\bmakes? (?:nothing|something|anything) of\b": "'ignore', 'use'",
    r"\bheld against\b": "'compared with'",
    # comparisons and quantities
    r"\bof like [a-z]+": "'of similar X'",
    r"\b(?:object|entry|one|row|value|word|recording|utterance|path) an? (?:line|row)\b": "'one X per line'",
    r"\ball the same\b": "'anyway', 'nevertheless'",
    r"\bin the mean\b": "'on average'",
    r"\bof that name\b": "'with this name'",
    r"\bby what (?:it|they) (?:is|are) for\b": "'by purpose'",
}

PATTERNS = {re.compile(pattern, re.IGNORECASE): instead for pattern, instead in PHRASES.items()}
MARKS = re.compile(r"^\s*(?:#+:? |[-*>] |[rf]{0,2}\"(?!\"))?\s*|(?<!\")\"?\s*$")
"""What stands around the words of a line: indentation, the mark of a comment or list, the ends of a string literal."""


def phrases_of(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, matched phrase and what to write instead; a phrase may run over the end of a line."""
    lines = [MARKS.sub("", line).strip().replace("_", " ") for line in text.splitlines()]
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    joined = " ".join(lines)
    for pattern, instead in PATTERNS.items():
        for match in pattern.finditer(joined):
            yield bisect_right(starts, match.start()), match[0], instead


def files_of(name: str) -> list[Path]:
    path = ROOT / name
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES)


def complaint(where: str, line: int, phrase: str, instead: str) -> str:
    return f"{where}:{line}: '{phrase}', write instead: {instead}"


@pytest.mark.parametrize("name", SEARCHED)
def test_no_phrase_of_the_dialect_is_left(name: str) -> None:
    complaints = [
        complaint(file.relative_to(ROOT).as_posix(), *hit)
        for file in files_of(name)
        for hit in phrases_of(file.read_text(encoding="utf-8"))
    ]
    assert not complaints, "\n".join(complaints)


def test_no_phrase_of_the_dialect_is_left_in_the_help_of_the_commands() -> None:
    texts = help_texts()
    assert len(texts) > 15
    complaints = [complaint(name, *hit) for name, text in texts for hit in phrases_of(text)]
    assert not complaints, "\n".join(complaints)


DIALECT = [
    "the run in it is to be gone on with",
    "the same command goes on where it stopped",
    "whole numbers from 0 on",
    "everything drawn hangs on the seed",
    "whether a speaker has a say in it",
    "decoding goes by the name",
    "dropped rows nobody hears of",
    "somebody asked for a stop",
    "a failure is told by whoever it befalls",
    "Ctrl-C is the parent's affair",
    "waits for all, then takes leave",
    "why a run stops is said once",
    "progress: told of each try",
    "and every score says so",
    "these verbs know no recipe",
    "the two are not told apart",
    "the source tells what is there",
    "empty ones say nothing.",
    "unused adapters without a word",
    "a line that is no JSON object",
    "None where there is none",
    "a row that has none",
    "the file is not there",
    "or it is there twice",
    "a stopped run loses nothing of it",
    "a bundle lies under the run",
    "keys that stand in it twice",
    "as soon as one process is gone",
    "what became of the labels",
    "an output more or less changes no other head",
    "None where it is not to be had",
    "layers whose states are wanted",
    "the encoding that was asked for",
    "Stop after so many things",
    "which is of use elsewhere",
    "--set wants KEY=VALUE, got 'a'",
    "the audio stays as it is",
    "faults of the original that are mended",
    "gives back all lines",
    "a mapping that makes nothing of it",
    "held against the length of the file",
    "utterances of like duration",
    "one object a line",
    "a row without it is used all the same",
    "1.7 s in the mean",
    "no bundle of that name",
    "drawn by what they are for",
]
PLAIN = [
    "Initial weights depend only on `seed` and the output's name; adding an output leaves the other heads unchanged.",
    "The same command with --resume continues the run already in this folder.",
    "There is no file x.wav; there is no longer a list, and there are no circles.",
    "The value is no longer read, no more than one is kept, and it is no better than chance.",
    "path if path is None else other; assert rate is not None",
    "Each process reports its own failure, so no process waits for a timeout.",
    "Rows in any other language are ignored, and the message states why.",
    "What was said and what was perceived are aligned.",
    "None of the rows has a speaker, and none is used.",
    "The interval lies in (0, 1], the comparison says nothing about real speech.",
    "Rows of a source can come more or less often than others.",
    "A boundary without a word boundary; words in the text; a line of the table.",
]


@pytest.mark.parametrize("sentence", DIALECT)
def test_dialect_is_found(sentence: str) -> None:
    assert list(phrases_of(sentence))


def test_every_pattern_finds_something() -> None:
    assert [p.pattern for p in PATTERNS if not any(p.search(sentence) for sentence in DIALECT)] == []


@pytest.mark.parametrize("sentence", PLAIN)
def test_plain_sentences_pass(sentence: str) -> None:
    assert list(phrases_of(sentence)) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = 1\n# the row has none of its own\n", 2),
        ('raise Error(\n    f"{path} is no "\n    f"bundle"\n)\n', 2),
        ("- a line of a list that\n  hangs\n  on the seed\n", 2),
        ("def f():\n    goes_on = True\n", 2),
    ],
    ids=["comment", "string of two parts", "list", "identifier"],
)
def test_phrases_are_found_over_the_ends_of_lines_and_in_identifiers(text: str, line: int) -> None:
    assert [number for number, _, _ in phrases_of(text)] == [line]

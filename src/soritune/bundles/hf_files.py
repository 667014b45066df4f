"""Files that transformers and its tokenizers write beside a model: the vocabulary of a CTC checkpoint."""

from __future__ import annotations

from pathlib import Path

from soritune.bundles.card import Bundle
from soritune.errors import BundleError, reason_of
from soritune.strict_json import read_json


def read_vocabulary(folder: Path | str) -> tuple[str, ...]:
    """The CTC labels of a checkpoint folder in the order of its logits.

    They are read from `vocab.json`. transformers may have written the last few (as a rule `<s>` and `</s>`) to
    `added_tokens.json` or `tokenizer_config.json`, which are then read too.

    Raises:
        BundleError: no vocab.json, or its ids are not 0 … n-1.
    """
    file = Path(folder) / "vocab.json"
    try:
        vocabulary = read_json(file)
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{file} cannot be read ({reason_of(error)}); a CTC checkpoint needs it to name its labels"
        ) from error
    if (
        isinstance(vocabulary, dict)
        and all(isinstance(value, dict) for value in vocabulary.values())
        and vocabulary
    ):
        raise BundleError(f"{file} holds a vocabulary per language; save the right one as a flat vocab.json")
    by_id = {index: symbol for symbol, index in vocabulary.items()} if isinstance(vocabulary, dict) else {}
    if sorted(by_id) != list(range(len(by_id))) or not by_id or len(by_id) != len(vocabulary):
        raise BundleError(f"{file} does not number its symbols 0, 1, 2 …; the order of the logits is unknown")
    added = _added_tokens(Path(folder))
    while len(by_id) in added:
        by_id[len(by_id)] = added[len(by_id)]
    return tuple(by_id[index] for index in range(len(by_id)))


def config_differences(bundle: Bundle) -> list[str]:
    """Where config.json, which transformers reads, differs from the card: the number of layers and the classes.

    A missing or unreadable file is ignored, and so are the names that transformers gives to classes without names.
    """
    try:
        config = read_json(bundle.path / "config.json")
    except (OSError, ValueError):
        return []
    if not isinstance(config, dict):
        return []
    differences = []
    stored = bundle.card["encoder"].get("config")
    for key, on_card in stored.items() if isinstance(stored, dict) else ():
        if key.endswith("layers") and key in config and config[key] != on_card:
            differences.append(f"{key} is {config[key]}, the card has {on_card}")
    names = config.get("id2label")
    if isinstance(names, dict) and names:
        labels = [str(label) for label in names.values()]
        is_default = all(label == f"LABEL_{index}" for index, label in names.items())
        if not is_default and labels not in [list(known) for known in bundle.labels.values()]:
            differences.append(f"id2label is {', '.join(labels[:8])}, which no output of the card has")
    return differences


def _added_tokens(folder: Path) -> dict[int, str]:
    """Id to symbol of the tokens that a tokenizer adds to its vocab.json; empty without such files."""
    tokens: dict[int, str] = {}
    for name in ("tokenizer_config.json", "added_tokens.json"):
        try:
            content = read_json(folder / name)
            if name == "added_tokens.json":
                tokens |= {int(index): str(symbol) for symbol, index in content.items()}
            else:
                added = content.get("added_tokens_decoder") or {}
                tokens |= {int(index): str(token["content"]) for index, token in added.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # optional files: without them vocab.json is the whole vocabulary
    return tokens

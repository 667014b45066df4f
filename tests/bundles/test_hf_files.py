"""The labels of a CTC checkpoint, from the files of its tokenizer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from soritune.bundles.hf_files import config_differences, read_vocabulary
from soritune.bundles.packaged import resolve_model_folder
from soritune.bundles.read import load_bundle
from soritune.errors import BundleError


def test_labels_are_in_the_order_of_their_ids_and_other_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "vocab.json"
    file.write_text(json.dumps({"ㅏ": 1, "[PAD]": 0, "|": 2}), encoding="utf-8")
    assert read_vocabulary(tmp_path) == ("[PAD]", "ㅏ", "|")
    for text, words in [
        ('{"a": 0, "b": 2}', "does not number"),
        ('{"a": 0, "b": 0}', "does not number"),
        ("[]", "does not number"),
        ('{"eng": {"a": 0}}', "per language"),
        ("{", "cannot be read"),
    ]:
        file.write_text(text, encoding="utf-8")
        with pytest.raises(BundleError, match=words):
            read_vocabulary(tmp_path)


@pytest.mark.parametrize("name", ["tokenizer_config.json", "added_tokens.json"])
def test_tokens_added_by_the_tokenizer_follow_the_vocabulary(name: str, tmp_path: Path) -> None:
    """transformers saves `<s>` and `</s>` of wav2vec2 models beside vocab.json, in one of two formats."""
    (tmp_path / "vocab.json").write_text(json.dumps({"[PAD]": 0, "ㅏ": 1}), encoding="utf-8")
    formats = {
        "added_tokens.json": {"<s>": 2, "</s>": 3},
        "tokenizer_config.json": {
            "added_tokens_decoder": {"2": {"content": "<s>"}, "3": {"content": "</s>"}}
        },
    }
    (tmp_path / name).write_text(json.dumps(formats[name]), encoding="utf-8")
    assert read_vocabulary(tmp_path) == ("[PAD]", "ㅏ", "<s>", "</s>")


def test_an_added_token_with_a_gap_before_it_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text(json.dumps({"[PAD]": 0, "ㅏ": 1}), encoding="utf-8")
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<s>": 3}), encoding="utf-8")
    assert read_vocabulary(tmp_path) == ("[PAD]", "ㅏ")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"num_hidden_layers": 5}, ["num_hidden_layers is 5, the card has 6"]),
        (
            {"id2label": {"0": "기쁨", "1": "슬픔"}},
            ["id2label is 기쁨, 슬픔, which no output of the card has"],
        ),
        ({"id2label": {"0": "LABEL_0"}}, []),
    ],
)
def test_config_that_differs_from_the_card_is_found(
    changes: dict[str, object], expected: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(resolve_model_folder("soritune/tiny-ko"), folder)
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | changes), encoding="utf-8")
    assert config_differences(load_bundle(folder)) == expected
    file.unlink()
    assert config_differences(load_bundle(folder)) == []

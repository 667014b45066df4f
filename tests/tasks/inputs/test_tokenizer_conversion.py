from __future__ import annotations

from pathlib import Path

import pytest
from transformers import BertTokenizerFast

from soritune.errors import ModelError
from soritune.tasks.inputs.text_encoder import TextSettings, tokenizer_of
from soritune.tasks.inputs.tokenizer_conversion import converted_tokenizer
from soritune.testing import tiny_text_encoder

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "가나", "다", "##라"]


def test_vocabulary_without_a_tokenizer_file_is_converted(tmp_path: Path) -> None:
    folder = tiny_text_encoder(tmp_path / "encoder", ["가나 다라"])
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "BertTokenizer", "do_lower_case": false}', encoding="utf-8"
    )
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    tokenizer = tokenizer_of(TextSettings(encoder=str(folder)).input_spec())
    assert tokenizer.encode("가나 다라").tokens == ["[CLS]", "가나", "다", "##라", "[SEP]"]
    expected = BertTokenizerFast.from_pretrained(str(folder))
    assert tokenizer.encode("다라 가나").ids == expected("다라 가나")["input_ids"]


def test_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    with pytest.raises(ModelError, match="has no tokenizer.json, and transformers cannot make one"):
        converted_tokenizer(tmp_path)

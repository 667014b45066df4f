from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.tasks.inputs.input import (
    blind_outputs,
    encode_inputs,
    inputs_of,
    kind_of,
    origins,
    pad_inputs,
    values_in_request,
    values_in_row,
)
from soritune.tasks.specs import InputSpec
from soritune.testing import class_output, tiny_text_encoder

TEXTS = ("가나 다라", "마바 사아", "가나")
Spec = Callable[..., InputSpec]


@pytest.fixture(scope="session")
def spec_of(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    folder = tiny_text_encoder(tmp_path_factory.mktemp("text"), TEXTS)

    def spec(**options: object) -> InputSpec:
        settings = {"encoder": str(folder), **options}
        return InputSpec("text", "text", "text", "text", optional=True, options=settings, dropout=0.25)

    return spec


def row(text: str | None, source: str | None = None) -> Utterance:
    return Utterance(id="a", audio="a.wav", duration_s=1.0, text=text, text_source=source)  # type: ignore[arg-type]


def test_text_becomes_the_tokens_of_its_encoder(spec_of: Spec) -> None:
    from transformers import AutoTokenizer

    spec = spec_of()
    tokenizer = AutoTokenizer.from_pretrained(spec.options["encoder"])
    for text in TEXTS:
        assert kind_of(spec).encode(spec, f" {text} ").tolist() == tokenizer(text)["input_ids"]


def test_decomposed_hangul_is_the_same_text(spec_of: Spec) -> None:
    import unicodedata

    spec = spec_of()
    typed_on_a_mac = unicodedata.normalize("NFD", TEXTS[0])
    assert (
        kind_of(spec).encode(spec, typed_on_a_mac).tolist() == kind_of(spec).encode(spec, TEXTS[0]).tolist()
    )


def test_long_text_is_cut_with_its_end_kept(spec_of: Spec) -> None:
    whole = kind_of(spec_of()).encode(spec_of(), TEXTS[0])
    cut = kind_of(spec_of()).encode(spec_of(max_tokens=3), TEXTS[0])
    assert len(whole) > 3
    assert cut.tolist() == [whole[0], whole[1], whole[-1]]


def test_blank_text_is_absent_in_rows_and_requests(spec_of: Spec) -> None:
    specs = (spec_of(),)
    for text in (None, "", "  \n", "\u200b", " \ufeff\u3164\x00"):
        assert values_in_row(specs, row(text)) == {}
        assert values_in_request(specs, {"text": text}) == {}
    assert values_in_row(specs, row("가나")) == {"text": "가나"}


def test_value_that_is_not_a_text_is_refused(spec_of: Spec) -> None:
    with pytest.raises(TaskError, match="input 'text' must be a text, got 5"):
        encode_inputs((spec_of(),), values_in_request((spec_of(),), {"text": 5}))


def test_rows_without_text_have_one_placeholder(spec_of: Spec) -> None:
    specs = (spec_of(),)
    rows = [encode_inputs(specs, values_in_row(specs, row(text))) for text in ("가나", None)]
    arrays = pad_inputs(specs, rows, np.array([5, 5]))
    size = len(rows[0]["text"])
    assert arrays["text"].shape == arrays["text_mask"].shape == (2, size)
    assert arrays["text_mask"].sum(axis=1).tolist() == [size, 1]
    assert arrays["text_present"].tolist() == [True, False]
    empty = pad_inputs(specs, [{}], np.array([5]))
    assert (empty["text"].shape, empty["text_mask"].tolist()) == ((1, 1), [[True]])


def test_origin_of_a_text_is_kept(spec_of: Spec) -> None:
    specs = (spec_of(),)

    def origin(utterance: Utterance) -> dict[str, str]:
        facts = {"text_source": utterance.text_source}
        return origins(specs, values_in_row(specs, utterance), facts)

    assert origin(row("가나", "gold")) == {"text_source": "gold"}
    assert origin(row("가나", "asr")) == {"text_source": "asr"}
    assert origin(row("가나")) == {}
    assert origin(row(None, "gold")) == origin(row(" ")) == {"text_source": "none"}
    assert origin(row("가나", "none")) == {"text_source": "unknown"}  # the model has read the text
    assert values_in_request(specs, {"text": "가나", "text_source": "asr"}) == {"text": "가나"}
    with pytest.raises(TaskError, match="text_source must be one of gold, asr, none, got 'whisper'"):
        origins(specs, {"text": "가나"}, {"text_source": "whisper"})


def test_half_of_a_character_is_refused(spec_of: Spec) -> None:
    with pytest.raises(TaskError, match="input 'text' has half of a character, which is not valid Unicode"):
        encode_inputs((spec_of(),), {"text": "가나\ud83d"})
    assert len(encode_inputs((spec_of(),), {"text": "가나😀"})["text"]) > 0


def test_unknown_options_are_refused(spec_of: Spec) -> None:
    with pytest.raises(TaskError, match="input 'text': fusion"):
        kind_of(spec_of(fusion="sum"))
    with pytest.raises(TaskError, match="input 'text': colour"):
        kind_of(spec_of(colour="red"))


def test_required_input_is_never_left_out(spec_of: Spec) -> None:
    class Reading:
        inputs = (InputSpec("text", "text", "text", "text", options=spec_of().options, dropout=0.2),)

    with pytest.raises(TaskError, match=r"a share of 0\.2 of the training rows, so it must be optional"):
        inputs_of([Reading()])  # type: ignore[list-item]


def test_output_of_inputs_alone_is_blind_without_them() -> None:
    outputs = (
        class_output("both", inputs=("text",)),
        class_output("alone", layer="none", inputs=("text",)),
        class_output("two", layer="none", inputs=("text", "age")),
    )
    assert blind_outputs(outputs, ("age",)) == {"alone"}
    assert blind_outputs(outputs, ()) == {"alone", "two"}
    assert blind_outputs(outputs, ("text",)) == set()


def test_tokenizer_of_a_bundle_needs_no_encoder(spec_of: Spec, tmp_path: Path) -> None:
    from dataclasses import replace

    from soritune.tasks.inputs.text_encoder import tokenizer_of

    spec = spec_of()
    stored = replace(spec_of(encoder="owner/elsewhere"), folder=tmp_path)
    assert stored.stored_at is not None
    stored.stored_at.mkdir(parents=True)
    (stored.stored_at / "tokenizer.json").write_text(tokenizer_of(spec).to_str(), encoding="utf-8")
    assert kind_of(stored).encode(stored, TEXTS[1]).tolist() == kind_of(spec).encode(spec, TEXTS[1]).tolist()
    assert "folder" not in stored.to_json()

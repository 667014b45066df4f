"""Packing a bundle, on a toy one that has what the real one has: two tasks, and paths of a machine in its card."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from release.pack_bundle import LOCAL, changes, check, corpus_of, pack
from safetensors.numpy import load_file, save_file

from release import pack_bundle
from soritune.audio.preprocessing import Preprocessing
from soritune.bundles.card import Bundle
from soritune.bundles.read import load_bundle
from soritune.bundles.write import update_card
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.loading import load_model
from soritune.models.saving import save_bundle
from soritune.tasks.task import make_task
from soritune.testing import tiny_config

CARD: dict[str, Any] = {
    "name": "bundled-encoder",
    "recipe_name": "bundled-encoder",
    "seed": 3,
    "licence": "free",
    "git_revision": "0123456789",
    "recipe": {
        "name": "bundled-encoder",
        "data": {
            "source": "manifest",
            "root": "/",
            "config": {"files": ["/home/kim/synth/manifest.parquet"]},
        },
    },
    "data": {
        "manifest_hash": "abc",
        "split": {"by": ["speaker"]},
        "sources": ["speechocean762", "speechocean762_train", "synthetic"],
        "hours": {"train": 1.5},
        "synthetic": True,
    },
    "training": {"step": 9, "weights": "ema", "metrics": {"phoneme/per": 0.2, "mispronunciation/per": 0.5}},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    tasks = (
        make_task("phoneme", {"inventory": "korean", "source": "phones", "language": "ko"}),
        make_task(
            "mispronunciation",
            {
                "task": "phoneme",
                "language": "en",
                "labels": "correct-substituted-deleted-inserted",
                "phoneme_output": "english",
            },
        ),
    )
    config = ModelConfig(encoder="none", random_weights=True, architecture=tiny_config(norm="layer"))
    model = build_model(config, [spec for task in tasks for spec in task.outputs], seed=1)
    folder = tmp_path_factory.mktemp("researcher") / "runs" / "night-run-7" / "best"
    return save_bundle(model, folder, tasks=tasks, preprocessing=Preprocessing(), card_fields=CARD)


@pytest.fixture(scope="module")
def packed(trained: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return pack(trained.path, tmp_path_factory.mktemp("package") / "tiny-ko")


def test_the_korean_head_alone_is_kept_and_gives_what_it_gave(trained: Bundle, packed: Bundle) -> None:
    assert packed.name == "soritune/tiny-ko"
    assert [task.name for task in packed.tasks] == ["phoneme"]
    assert [output.name for output in packed.outputs] == ["phoneme"]
    assert not any("english" in name for name in packed.weights())
    wave, lengths = torch.randn(2, 16000), torch.tensor([16000, 9000])
    with torch.inference_mode():
        before, after = (load_model(bundle.path)(wave, lengths) for bundle in (trained, packed))
    assert list(after.logits) == ["phoneme"]
    largest = float(before.logits["phoneme"].abs().max())
    # Half precision has 11 bits: about a two-thousandth.
    assert float((before.logits["phoneme"] - after.logits["phoneme"]).abs().max()) < 0.01 * largest


def test_stored_in_half_precision_and_computed_in_float32(packed: Bundle) -> None:
    assert {value.dtype for value in packed.weights().values()} == {np.dtype(np.float16)}
    model = load_model(packed.path)
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}
    config = ModelConfig(encoder=str(packed.path), freeze={"feature_encoder": False})  # type: ignore[arg-type]
    again = build_model(config, packed.outputs, seed=0)
    assert {value.dtype for value in again.state_dict().values()} == {torch.float32}
    assert torch.equal(
        again.state_dict()["heads.phoneme.linear.weight"], model.state_dict()["heads.phoneme.linear.weight"]
    )


def test_transformers_opens_it_in_float32(packed: Bundle) -> None:
    from transformers import AutoModelForCTC, AutoTokenizer

    model = AutoModelForCTC.from_pretrained(packed.path)
    assert model.dtype == torch.float32
    wave = torch.randn(1, 16000)
    with torch.inference_mode():
        ours = load_model(packed.path)(wave, torch.tensor([16000])).logits["phoneme"]
        theirs = model.eval()(wave).logits
    assert torch.allclose(ours, theirs, atol=1e-4)
    assert AutoTokenizer.from_pretrained(packed.path).convert_ids_to_tokens([0, 2]) == ["[PAD]", "|"]


def test_the_packed_card_has_the_facts_without_machine_paths(trained: Bundle, packed: Bundle) -> None:
    texts = [file.read_text(encoding="utf-8") for file in packed.path.iterdir() if file.suffix == ".json"]
    for word in (
        "/home",
        "kim",
        "manifest.parquet",
        "night-run",
        "researcher",
        "speechocean762_train",
        "0123456789",
    ):
        assert [text for text in texts if word in text] == []
    card = packed.card
    assert (card["recipe_name"], card["seed"], card["licence"]) == ("bundled-encoder", 3, "free")
    assert card["versions"] == trained.card["versions"]
    assert card["created"] == trained.card["created"]
    assert card["data"]["sources"] == ["speechocean762", "synthetic"]
    assert card["data"]["hours"] == {"train": 1.5}
    assert card["training"] == {"step": 9, "weights": "ema", "metrics": {"phoneme/per": 0.2}}
    assert card["tasks"][0]["config"]["source"] == "auto"  # other people's rows have a text and no phones
    packed.check_files()
    assert {stat.S_IMODE(file.stat().st_mode) for file in packed.path.iterdir()} == {0o644}


def test_packing_again_keeps_the_card_that_people_wrote(trained: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "tiny-ko"
    folder.mkdir()
    (folder / "README.md").write_text("written by hand\n", encoding="utf-8")
    pack(trained.path, folder)
    pack(trained.path, folder)
    assert (folder / "README.md").read_text(encoding="utf-8") == "written by hand\n"
    assert [path.name for path in tmp_path.iterdir()] == ["tiny-ko"]


def test_what_must_not_be_published_is_refused(trained: Bundle, packed: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="trained on 'private-clinic'"):
        corpus_of("private-clinic")
    with pytest.raises(ValueError, match="speechocean7629"):
        corpus_of("speechocean7629")
    with pytest.raises(ValueError, match="not in half precision"):
        check(trained.path)
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in packed.path.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    check(copy)
    update_card(copy, note="see /srv/models/one")
    with pytest.raises(ValueError, match=r"soritune.json line \d+ contains a path of a machine \(/s…\)"):
        check(copy)
    (copy / "extra.safetensors").write_bytes(b"0" * 12_000_001)
    with pytest.raises(ValueError, match="at most 12,000,000"):
        check(copy)


# ── int8, of an encoder that did not start from random weights ──


@pytest.fixture(scope="module")
def fine_tuned(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Whisper with a phoneme head, for which transformers has no class."""
    import transformers

    root = tmp_path_factory.mktemp("researcher")
    sizes = {"d_model": 256, "encoder_layers": 2, "encoder_ffn_dim": 512, "encoder_attention_heads": 4}
    sizes |= {
        "decoder_layers": 1,
        "decoder_ffn_dim": 16,
        "decoder_attention_heads": 4,
        "max_target_positions": 8,
    }
    torch.manual_seed(0)
    transformers.WhisperModel(transformers.WhisperConfig(**sizes)).save_pretrained(root / "whisper")
    (root / "whisper" / "NOTICE").write_text("Copyright (c) A", encoding="utf-8")
    task = make_task("phoneme", {"inventory": "korean", "source": "phones", "language": "ko"})
    model = build_model(ModelConfig(encoder=str(root / "whisper")), task.outputs, seed=1)
    fields = {
        **CARD,
        "recipe": {**CARD["recipe"], "model": {"encoder": str(root / "whisper"), "base": "/x/y"}},
    }
    return save_bundle(
        model, root / "runs" / "best", tasks=[task], preprocessing=Preprocessing(), card_fields=fields
    )


@pytest.fixture(scope="module")
def small(fine_tuned: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    measured = [{"set": "read", "rate": "phoneme/per", "value": 0.3, "interval": [0.2, 0.4], "speakers": 5}]
    return pack(
        fine_tuned.path,
        tmp_path_factory.mktemp("package") / "base-xx",
        weights_format="int8",
        encoder_from="maker/whisper",
        measured=measured,
        longest_s=20,
    )


def test_int8_keeps_the_head_and_the_facts(fine_tuned: Bundle, small: Bundle) -> None:
    assert small.name == "soritune/base-xx" and small.is_int8
    assert small.weights().keys() == fine_tuned.weights().keys()
    assert {"heads.phoneme.linear.weight"} <= small.weights().keys()
    stored = load_file(small.weights_path)
    assert {value.dtype.name for value in stored.values()} == {"int8", "float16", "float32"}
    card = small.card
    assert card["encoder"]["source"] == card["recipe"]["model"]["encoder"] == "maker/whisper"
    assert (card["model"]["encoder"], card["model"]["init_from"]) == ("soritune/base-xx", None)
    assert card["notice"] == "Copyright (c) A"
    assert card["preprocessing"]["max_duration_s"] == 20
    assert [entry.value for entry in small.measured] == [0.3]
    assert not (small.path / "vocab.json").exists()
    small.check_files()


def test_changes_are_those_of_the_log_probabilities(fine_tuned: Bundle, small: Bundle) -> None:
    assert changes(fine_tuned.path, fine_tuned.path) == (0.0, 1.0)
    largest, same = changes(fine_tuned.path, small.path)
    assert 0 < largest < 0.5
    assert 0.8 < same <= 1


def test_a_hand_written_card_gets_the_notice_once(fine_tuned: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "base-xx"
    folder.mkdir()
    (folder / "README.md").write_text("written by hand\n", encoding="utf-8")
    for _ in range(2):
        pack(fine_tuned.path, folder, encoder_from="maker/whisper")
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text.startswith("written by hand\n\n## Notice\n") and text.count("Copyright (c) A") == 1
    assert not load_bundle(folder).is_int8


def test_the_start_of_the_encoder_must_be_named(fine_tuned: Bundle, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="did not start from random weights; name its start with --encoder-from"
    ):
        pack(fine_tuned.path, tmp_path / "x", weights_format="int8")
    with pytest.raises(ValueError, match="the interval of phoneme/per does not hold its value"):
        pack(
            fine_tuned.path,
            tmp_path / "x",
            encoder_from="a/b",
            measured=[{"set": "s", "rate": "phoneme/per", "value": 0.3, "interval": [0.4, 0.5]}],
        )
    assert not (tmp_path / "x").exists()


def test_full_precision_in_an_int8_folder_is_refused(small: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in small.path.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    check(copy)
    file = copy / small.weights_path.name
    stored = load_file(file)
    save_file({**stored, "odd": np.ones(3, np.float32)}, str(file), {"format": "pt"})
    with pytest.raises(ValueError, match="odd and 0 more weights are not in half precision"):
        check(copy)


def test_the_command_prints_sizes_and_changes(
    fine_tuned: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    arguments = [str(fine_tuned.path), str(tmp_path / "x"), "--int8", "--encoder-from", "maker/whisper"]
    monkeypatch.setattr(sys, "argv", ["pack_bundle.py", *arguments])
    pack_bundle.main()
    lines = capsys.readouterr().out.splitlines()
    sizes = [
        sum(file.stat().st_size for file in path.iterdir()) for path in (fine_tuned.path, tmp_path / "x")
    ]
    assert f"{fine_tuned.path}: {sizes[0]:,} bytes" in lines
    assert any(line.startswith(f"{tmp_path / 'x'}: {sizes[1]:,} bytes in") for line in lines)
    assert lines[-1].startswith("largest change of a log-probability: 0.")


@pytest.mark.parametrize("text", ["in /tmp/x", '"/home/kim"', "(C:\\Users)", "~/x", "../runs", "files: /"])
def test_paths_are_found(text: str) -> None:
    assert bool(LOCAL.search(text)) is (text != "files: /")


@pytest.mark.parametrize(
    "text", ["https://www.openslr.org/101", "a/b", "</s>", "0.5 / 0.2", "soritune/tiny-ko", "CC/x"]
)
def test_addresses_and_names_are_not_taken_for_paths(text: str) -> None:
    assert LOCAL.search(text) is None


def test_the_card_is_plain_json(packed: Bundle) -> None:
    text = (packed.path / "soritune.json").read_text(encoding="utf-8")
    assert json.loads(text)["encoder"]["config"]["dtype"] == "float32"
    assert load_bundle(packed.path).name == "soritune/tiny-ko"


def test_the_folder_of_stored_states_is_left_out_of_the_recipe() -> None:
    recipe = {"data": {"root": "/x"}, "batches": {"encoder_states": {"folder": "/tmp/states", "copies": 1}}}
    kept = pack_bundle._recipe(recipe, None)
    assert kept["batches"]["encoder_states"] == {"folder": None, "copies": 1}
    assert recipe["batches"]["encoder_states"]["folder"] == "/tmp/states"

from __future__ import annotations

import json

import pytest

from soritune.bundles.published import is_machine_path, published_card


@pytest.mark.parametrize(
    ("text", "is_path"),
    [
        ("/home/me/corpora/kss", True),
        ("~/kss", True),
        ("../kss", True),
        ("C:\\corpora\\kss", True),
        ("corpora/kss", False),
        ("owner/model", False),
        ("https://example.org/a", False),
        ("/", False),
        ("kss", False),
    ],
)
def test_paths_of_one_machine(text: str, is_path: bool) -> None:
    assert is_machine_path(text) is is_path


def test_paths_of_the_training_machine_are_cut_to_their_names() -> None:
    card = {
        "recipe": {
            "data": {"root": "/home/me/corpora/kss", "config": {"files": ["D:\\lists\\a.csv", "b.csv"]}},
            "augment": {"noise_files": {"folder": "~/noises/cafe"}},
            "tasks": {"emotion": {"labels": ["/a/", "calm"]}},
        },
        "model": {"encoder": "/models/whisper"},
        "encoder": {"source": "/models/whisper", "hidden_size": 3},
        "outputs": [{"labels": ["/a/", "/"]}],
        "tasks": [{"name": "emotion", "config": {"labels": ["/a/"]}}],
        "start": {"name": "x", "start": {"name": "/home/me/first"}},
    }
    published = published_card(card, base="owner/whisper")
    assert published["recipe"]["data"] == {"root": "kss", "config": {"files": ["a.csv", "b.csv"]}}
    assert published["recipe"]["augment"]["noise_files"]["folder"] == "cafe"
    assert published["encoder"] == {"source": "owner/whisper", "hidden_size": 3}
    assert published["start"]["start"]["name"] == "first"
    for key in ("outputs", "tasks"):
        assert published[key] == card[key], "labels are not paths"
    assert published["recipe"]["tasks"] == card["recipe"]["tasks"]
    assert "/home" not in json.dumps(published) and "models" not in json.dumps(published)


def test_name_of_the_base_replaces_its_path_only() -> None:
    adapters = {"encoder": {"source": "hub/encoder"}, "base": {"source": "/models/base", "sha256": "0"}}
    published = published_card(adapters, base="owner/base")
    assert published["base"] == {"source": "owner/base", "sha256": "0"}
    assert published["encoder"] == {"source": "hub/encoder"}
    assert published_card(adapters, base=None)["base"]["source"] == "base"

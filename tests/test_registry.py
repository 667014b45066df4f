from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import MUTE_DECODER

from soritune.errors import MemberError, MissingLibraryError, UnknownNameError
from soritune.registry import load_identifier, load_member, members


def test_file_that_binds_the_name_is_a_member_and_the_contract_is_not() -> None:
    assert {"emotion", "phoneme"} <= set(members("soritune.tasks", "TASK"))
    assert "task" not in members("soritune.tasks", "TASK")
    assert load_member("soritune.tasks", "TASK", "emotion", "task").name == "emotion"


def test_unknown_name_is_refused_with_the_known_and_the_nearest_names() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'emotion'") as caught:
        load_member("soritune.tasks", "TASK", "emotoin", "task")
    assert caught.value.known == sorted(members("soritune.tasks", "TASK"))
    with pytest.raises(UnknownNameError, match="unknown task 'task'"):
        load_member("soritune.tasks", "TASK", "task", "task")


def test_member_of_another_package_is_found_by_its_entry_point(
    external_package: Callable[[str, str, str], Path],
) -> None:
    external_package("soritune.tasks.decoding", "mute", MUTE_DECODER)
    assert load_member("soritune.tasks.decoding", "DECODER", "mute", "decoder").name == "mute"
    assert set(members("soritune.tasks.decoding", "DECODER")) == {"greedy", "mute"}


def test_member_of_a_removed_package_is_unknown() -> None:
    with pytest.raises(UnknownNameError, match="unknown decoder 'mute'; known: greedy"):
        load_member("soritune.tasks.decoding", "DECODER", "mute", "decoder")


DECODERS = ("soritune.tasks.decoding", "DECODER")
BROKEN = "import a_module_that_is_not_installed\n\nDECODER = None\n"


def test_member_that_cannot_be_imported_fails_only_when_requested(
    external_package: Callable[[str, str, str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    external_package(DECODERS[0], "broken", BROKEN)
    reason = (
        "'broken' of soritune.tasks.decoding, which the package external_broken provides, cannot be imported"
    )
    for _ in range(2):
        assert set(members(*DECODERS)) == {"greedy"}
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [warning.startswith(reason) for warning in warnings] == [True]
    assert "ModuleNotFoundError: No module named 'a_module_that_is_not_installed'" in caplog.text
    assert load_member(*DECODERS, "greedy", "decoder").name == "greedy"
    for load in (load_member, load_identifier):
        with pytest.raises(MemberError, match=f"^{reason}.*; repair or remove external_broken$"):
            load(*DECODERS, "broken", "decoder")
        with pytest.raises(UnknownNameError, match=f"unknown decoder 'brokn'; known: greedy; {reason}"):
            load(*DECODERS, "brokn", "decoder")


def test_name_provided_by_two_packages_is_refused(
    external_package: Callable[[str, str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    external_package(DECODERS[0], "mute", MUTE_DECODER)
    information = tmp_path / "second-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: second\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[{DECODERS[0]}]\nmute = os:sep\ngreedy = os:sep\n")
    monkeypatch.syspath_prepend(tmp_path)
    providers = "provided by several packages: .*"
    with pytest.raises(
        MemberError, match=f"'mute' of .* {providers}second and external_mute; remove all but one"
    ):
        load_member(*DECODERS, "mute", "decoder")
    with pytest.raises(
        MemberError, match=f"'greedy' of .* {providers}soritune and second; remove all but one"
    ):
        load_member(*DECODERS, "greedy", "decoder")
    assert members(*DECODERS) == {}


def test_member_that_does_not_fulfil_the_contract_is_omitted(
    external_package: Callable[[str, str, str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    external_package("soritune.tasks", "number", "TASK = 5\n")
    known = members("soritune.tasks", "TASK", lambda value: isinstance(value, type))
    assert "number" not in known and "emotion" in known
    assert "'number' of soritune.tasks, which the package external_number provides, is 5" in caplog.text


def test_package_installed_later_is_found(external_package: Callable[[str, str, str], Path]) -> None:
    assert set(members(*DECODERS)) == {"greedy"}
    external_package(DECODERS[0], "mute", MUTE_DECODER)
    assert set(members(*DECODERS)) == {"greedy", "mute"}


def test_member_whose_library_is_not_installed_fails_only_when_requested(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backends = ("soritune.inference.backends", "BACKEND")
    monkeypatch.delitem(sys.modules, "soritune.inference.backends.pytorch", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    sentence = (
        "'pytorch' of soritune.inference.backends needs torch, which is not installed: "
        "pip install 'soritune[train]'"
    )
    with pytest.raises(MissingLibraryError) as caught:
        load_member(*backends, "pytorch", "backend")
    assert str(caught.value) == sentence
    assert "pytorch" not in members(*backends)
    with pytest.raises(UnknownNameError) as unknown:
        load_member(*backends, "pytroch", "backend")
    assert sentence in str(unknown.value)

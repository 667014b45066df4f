from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import MUTE_DECODER

from soritune.errors import UnknownNameError
from soritune.registry import load_member, members


def test_a_file_that_binds_the_name_is_a_member_and_the_contract_is_not() -> None:
    assert {"emotion", "phoneme"} <= set(members("soritune.tasks", "TASK"))
    assert "task" not in members("soritune.tasks", "TASK")
    assert load_member("soritune.tasks", "TASK", "emotion", "task").name == "emotion"


def test_an_unknown_name_is_answered_with_the_known_ones_and_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'emotion'") as caught:
        load_member("soritune.tasks", "TASK", "emotoin", "task")
    assert caught.value.known == sorted(members("soritune.tasks", "TASK"))
    with pytest.raises(UnknownNameError, match="unknown task 'task'"):
        load_member("soritune.tasks", "TASK", "task", "task")


def test_a_member_of_another_package_is_found_by_its_entry_point(
    external_package: Callable[[str, str, str], Path],
) -> None:
    external_package("soritune.tasks.decoding", "mute", MUTE_DECODER)
    assert load_member("soritune.tasks.decoding", "DECODER", "mute", "decoder").name == "mute"
    assert set(members("soritune.tasks.decoding", "DECODER")) == {"greedy", "mute"}


def test_a_member_is_gone_with_its_package() -> None:
    with pytest.raises(UnknownNameError, match="unknown decoder 'mute'; known: greedy"):
        load_member("soritune.tasks.decoding", "DECODER", "mute", "decoder")

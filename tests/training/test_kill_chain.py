"""A training that is killed with SIGKILL again and again, each time soon after it was resumed."""

from __future__ import annotations

import pytest
from tests.training.launching import kill_and_resume

pytestmark = [pytest.mark.slow(seconds=90), pytest.mark.long]


def test_training_killed_many_times_is_resumed_bit_for_bit() -> None:
    result = kill_and_resume("--moments", "12", "--chain")
    assert result["kills"] == 12

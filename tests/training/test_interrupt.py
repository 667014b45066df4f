from __future__ import annotations

import signal
import threading

import pytest

from soritune.training.interrupt import Interrupt


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_requests_a_stop(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interrupt() as interrupt:
        assert not interrupt.requested
        signal.raise_signal(number)
        assert interrupt.requested
    assert signal.getsignal(number) is before


def test_second_ctrl_c_stops_at_once_and_repeated_sigterm_does_not() -> None:
    with Interrupt() as interrupt:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            signal.raise_signal(number)
        assert interrupt.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_the_first_signal_is_reported_at_once_and_others_are_not() -> None:
    lines: list[str] = []
    with Interrupt(lines.append) as interrupt:
        signal.raise_signal(signal.SIGTERM)
        assert interrupt.requested and len(lines) == 1
        signal.raise_signal(signal.SIGTERM)
    assert len(lines) == 1
    assert lines[0].startswith("SIGTERM: the run stops after the step") and "Ctrl-C" not in lines[0]
    with Interrupt(lines.append):
        signal.raise_signal(signal.SIGINT)
    assert "Ctrl-C again stops at once" in lines[1]


def test_a_signal_during_a_write_to_the_terminal_is_reported_on_standard_error(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def busy(line: str) -> None:
        raise RuntimeError("reentrant call")

    with Interrupt(busy) as interrupt:
        signal.raise_signal(signal.SIGTERM)
        assert interrupt.requested
    assert capfd.readouterr().err.startswith("SIGTERM: the run stops")


def test_other_threads_leave_signals_to_the_caller() -> None:
    before = signal.getsignal(signal.SIGINT)
    requested: list[bool] = []

    def use() -> None:
        with Interrupt() as interrupt:
            requested.append(interrupt.requested)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert requested == [False]
    assert signal.getsignal(signal.SIGINT) is before

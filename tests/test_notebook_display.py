import io
import sys
from types import ModuleType, SimpleNamespace

import pytest

from soritune import notebook_display
from soritune.notebook_display import NotebookBar, NotebookDisplay, is_notebook
from soritune.progress import Console
from soritune.terminal_text import SafeConsole


class ZMQInteractiveShell:
    """Named as the shell of a notebook's kernel."""


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What a notebook would show: ("display" or "update", HTML)."""
    calls: list[tuple[str, str]] = []

    def display(html: str, *, display_id: bool) -> SimpleNamespace:
        assert display_id
        calls.append(("display", html))
        return SimpleNamespace(update=lambda html: calls.append(("update", html)))

    module, inner = ModuleType("IPython"), ModuleType("IPython.display")
    module.get_ipython = ZMQInteractiveShell  # type: ignore[attr-defined]
    inner.HTML, inner.display = str, display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", inner)
    return calls


def test_terminal_is_not_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not is_notebook()
    assert "IPython" not in sys.modules


def test_bars_share_one_display_that_is_empty_at_the_end(
    shown: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert is_notebook()
    console = Console()
    with console.bar("check", total=2) as bar:
        bar.advance(2)
    with console.bar("train <b>") as bar:
        bar.update(1, 4, "loss 0.5")
    console.message("done")
    assert [kind for kind, _ in shown].count("display") == 1
    assert '<progress value="2" max="2"></progress> 2 / 2' in shown[1][1]
    assert "train &lt;b&gt;" in shown[3][1]
    assert shown[-1] == ("update", "")
    assert capsys.readouterr() == ("done\n", "")


def test_changes_that_follow_too_fast_are_left_out(
    shown: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([0.0, 0.1, 0.3, 0.31])  # the last item is always shown
    monkeypatch.setattr(notebook_display.time, "monotonic", lambda: next(times))
    bar = NotebookBar(NotebookDisplay(), "predict", 3)
    for _ in range(3):
        bar.advance(0, 1)
    # The second change comes 0.1 s after the first.
    assert [("1 / 3" in html, "2 / 3" in html, "3 / 3" in html) for _, html in shown[1:]] == [
        (False, True, False),
        (False, False, True),
    ]


@pytest.mark.parametrize("total", [None, 0.0, float("nan"), float("inf")])
def test_unknown_total_shows_no_share(shown: list[tuple[str, str]], total: float | None) -> None:
    NotebookDisplay().show("train", 3, total, "loss nan" if total is None else "")
    ((_, html),) = shown
    assert "<progress></progress> 3 " in html and "nan /" not in html


def test_text_report_of_a_notebook_is_text(shown: list[tuple[str, str]]) -> None:
    buffer = io.StringIO()
    SafeConsole(file=buffer, width=80).print("per 0.25")
    assert buffer.getvalue() == "per 0.25\n"
    assert shown == []

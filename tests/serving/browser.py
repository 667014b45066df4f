"""Headless Chromium through its DevTools protocol."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import pytest
from websockets.sync.client import connect

SECONDS = 90.0


def chromium() -> str:
    """The browser. Without it the test is skipped, but fails in continuous integration."""
    path = shutil.which("chromium")
    if path is None and os.environ.get("CI"):
        pytest.fail("chromium is not installed; .ci/run installs it")
    if path is None:
        pytest.skip("chromium is not installed")
    return path


class Browser:
    """One page of a browser."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._log = folder / "browser.log"
        folder.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    chromium(),
                    "--headless=new",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-dev-shm-usage",
                    "--no-first-run",
                    "--remote-debugging-port=0",
                    "--autoplay-policy=no-user-gesture-required",
                    f"--user-data-dir={folder / 'profile'}",
                    *options,
                    "about:blank",
                ],
                stderr=log,
                stdout=log,
                start_new_session=True,
            )
        port = self._wait(
            lambda: re.search(r"DevTools listening on ws://[^:]+:(\d+)/", self._log.read_text())
        )
        pages = httpx2.get(f"http://127.0.0.1:{port[1]}/json/list").json()
        (page,) = [each for each in pages if each["type"] == "page"]
        self._socket = connect(page["webSocketDebuggerUrl"], max_size=None)
        self._number = 0
        self.complaints: list[str] = []
        """What the console of the page has of exceptions and refused content."""
        for domain in ("Page", "Runtime", "Log", "DOM"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        os.killpg(self._process.pid, 9)
        self._process.wait()

    def call(self, method: str, **parameters: Any) -> Any:
        """The result of a method of the protocol."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=SECONDS))
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            if message.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(message["params"]["exceptionDetails"])[:500])
            entry = message.get("params", {}).get("entry", {})
            if entry.get("level") == "error":
                self.complaints.append(entry["text"])

    def open(self, url: str) -> None:
        """Opens an address and waits for it."""
        self.call("Page.navigate", url=url)
        self.wait(f"location.href.startsWith({json.dumps(url)}) && document.readyState === 'complete'")

    def value(self, expression: str) -> Any:
        """The value of JavaScript, as of a user's action."""
        done = self.call(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def wait(self, expression: str) -> None:
        """Waits until JavaScript is true."""
        self._wait(lambda: self.value(expression))

    def press(self, key: str) -> None:
        """A key as the keyboard sends it."""
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, text=key if len(key) == 1 else ""
            )

    def choose_file(self, selector: str, path: Path) -> None:
        """Puts a file into an input."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """A window of this size, with light or dark colours."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, path: Path) -> None:
        """The whole page as PNG."""
        done = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(done["data"]))

    def _wait(self, check: Any) -> Any:
        deadline = time.monotonic() + SECONDS
        while not (result := check()):
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, "the browser did not do it in time"
            time.sleep(0.1)
        return result

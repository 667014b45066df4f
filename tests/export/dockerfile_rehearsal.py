"""Runs the steps of the Dockerfile of a SageMaker export without Docker, in a folder and a fresh environment.

    python tests/export/dockerfile_rehearsal.py FOLDER WORK CLIP      # FOLDER of soritune export sagemaker --wheel

Paths of the image lie below WORK, and its Python is a fresh virtual environment there. The answer of `/invocations` to
the recording is printed.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from pathlib import Path


class Image:
    """What the steps have made so far."""

    def __init__(self, context: Path, root: Path) -> None:
        self.context, self.root = context, root
        self.python = root / "venv" / "bin" / "python"
        self.environment: dict[str, str] = {}
        self.command: list[str] = []

    def place(self, path: str) -> Path:
        """Where a path of the image lies here."""
        return self.root / "image" / path.lstrip("/")

    def step(self, name: str, text: str) -> None:
        """One line of the Dockerfile."""
        if name == "FROM":
            assert text == "python:3.11-slim", text
            subprocess.run([sys.executable, "-m", "venv", str(self.root / "venv")], check=True)
        elif name == "ENV":
            self.environment |= dict(word.split("=", 1) for word in text.split())
        elif name == "WORKDIR":
            self.place(text).mkdir(parents=True)
        elif name == "COPY":
            *sources, target = text.split()
            for source in sources:
                shutil.copyfile(self.context / source, self.place(target) / source)
        elif name == "RUN":
            self.install(text.split())
        elif name in ("ENTRYPOINT", "CMD"):
            self.command += json.loads(text)
        else:
            assert name in ("LABEL", "EXPOSE"), name

    def install(self, words: list[str]) -> None:
        """A pip command; paths of the image are also in its requirements."""
        assert words[:4] == ["python", "-m", "pip", "install"], words
        requirements = self.place(words[-1])
        text = requirements.read_text(encoding="utf-8")
        requirements.write_text(text.replace("file:///", f"file://{self.place('/')}/"), encoding="utf-8")
        command = [str(self.python), *words[1:-1], str(requirements), "--quiet"]
        subprocess.run(command, check=True, env={**os.environ, **self.environment})

    def answer(self, model: Path, clip: Path) -> bytes:
        """What the container answers to a recording; it has to end by SIGTERM."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = {**os.environ, **self.environment, "SM_MODEL_DIR": str(model)}
        environment |= {
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "PATH": f"{self.python.parent}:{os.environ['PATH']}",
        }
        process = subprocess.Popen(self.command, env=environment, cwd=self.root)
        try:
            deadline = time.monotonic() + 120
            while True:
                try:
                    assert urllib.request.urlopen(f"http://127.0.0.1:{port}/ping").status == 200
                    break
                except urllib.error.URLError:
                    assert process.poll() is None and time.monotonic() < deadline
                    time.sleep(0.2)
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/invocations", clip.read_bytes(), {"Content-Type": "audio/wav"}
            )
            answer: bytes = urllib.request.urlopen(request).read()
            return answer
        finally:
            process.terminate()
            assert process.wait(60) == 0


def main() -> None:
    """
    Raises:
        AssertionError: a step is not what this program knows, or the container does not answer.
    """
    context, root, clip = (Path(text).absolute() for text in sys.argv[1:])
    image = Image(context, root)
    for line in (context / "Dockerfile").read_text(encoding="utf-8").splitlines():
        image.step(*line.split(" ", 1))
    with tarfile.open(context / "model.tar.gz") as archive:
        archive.extractall(root / "model", filter="data")
    sys.stdout.write(image.answer(root / "model", clip).decode() + "\n")


if __name__ == "__main__":
    main()

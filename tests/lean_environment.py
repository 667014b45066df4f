"""A virtual environment with what extras of the package declare and nothing else, made of links, without a network.

An import of a library that is installed here by chance, but declared nowhere, fails in it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def declared(*extras: str) -> dict[str, Distribution]:
    """The core's requirements and those of extras, with the requirements of these, by name."""
    closure: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [*PROJECT["dependencies"], *(f"soritune[{extra}]" for extra in extras)]
    while waiting:
        requirement = Requirement(waiting.pop())
        name = canonicalize_name(requirement.name)
        if (name, frozenset(requirement.extras)) in seen:
            continue
        seen.add((name, frozenset(requirement.extras)))
        if name == "soritune":
            waiting += [
                text for extra in requirement.extras for text in PROJECT["optional-dependencies"][extra]
            ]
            continue
        closure[name] = distribution(name)
        waiting += [
            text
            for text in closure[name].requires or ()
            if (marker := Requirement(text).marker) is None
            or any(marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras))
        ]
    return closure


@dataclass(frozen=True)
class Environment:
    """A virtual environment in which soritune is installed."""

    python: Path

    def run(self, *arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Runs Python with these arguments, away from the paths of this process."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return subprocess.run(
            [self.python, *arguments],
            cwd=cwd,
            env={**kept, "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
        )

    def soritune(self, *arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Runs `soritune` with these arguments."""
        return self.run("-m", "soritune", *arguments, cwd=cwd)


def make_environment(folder: Path, *extras: str) -> Environment:
    """Makes the environment in a folder that does not exist yet."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    environment = Environment(folder / "bin" / "python")
    site = Path(environment.run("-c", "import site; print(site.getsitepackages()[0])").stdout.strip())
    for package in declared(*extras).values():
        for name in {
            file.parts[0] for file in package.files or () if file.parts[0] not in ("..", "__pycache__")
        }:
            if not (site / name).exists():
                (site / name).symlink_to(Path(str(package.locate_file(name))))
    (site / "soritune.pth").write_text(f"{ROOT / 'src'}\n", encoding="utf-8")
    _write_metadata(site / f"soritune-{PROJECT['version']}.dist-info")
    return environment


def _write_metadata(folder: Path) -> None:
    """What an installation of the package would state about its requirements."""
    lines = ["Metadata-Version: 2.4", "Name: soritune", f"Version: {PROJECT['version']}"]
    lines += [f"Requires-Dist: {text}" for text in PROJECT["dependencies"]]
    for extra, texts in PROJECT["optional-dependencies"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f'Requires-Dist: {text}; extra == "{extra}"' for text in texts]
    folder.mkdir()
    (folder / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")

"""Everything that `soritune doctor` finds, and whether the required features work. Next: `doctor/features.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from soritune import __version__
from soritune.doctor.features import Finding, find_features
from soritune.doctor.libraries import Extra, Library, required_libraries
from soritune.doctor.machine import Devices, Machine, describe_machine, find_devices
from soritune.errors import UnknownNameError
from soritune.extras import listed


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found on this machine."""

    soritune: str
    machine: Machine
    devices: Devices
    libraries: tuple[Library, ...]
    """Those of the core."""
    extras: tuple[Extra, ...]
    features: tuple[Finding, ...]
    problems: tuple[str, ...]
    """Faults of the installation, in sentences. A missing extra is not one."""

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        content = asdict(self)
        content["extras"] = [
            {
                "name": extra.name,
                "state": extra.state,
                "command": None if extra.state == "installed" else extra.command,
                "libraries": [asdict(library) for library in extra.libraries],
            }
            for extra in self.extras
        ]
        return content

    def lacking(self, names: Sequence[str]) -> list[str]:
        """Of features and extras, those that are not usable, each in a sentence.

        Raises:
            UnknownNameError: a name that is neither.
        """
        features = {finding.name: finding for finding in self.features}
        extras = {extra.name: extra for extra in self.extras}
        faults = []
        for name in names:
            if name in features:
                if (fault := self._fault_of(features[name])) is not None:
                    faults.append(fault)
            elif name in extras:
                if (extra := extras[name]).state != "installed":
                    faults.append(f"the extra {name} is not usable: {_fault_of_extra(extra)}")
            else:
                raise UnknownNameError("feature or extra", name, {*features, *extras})
        return faults

    def _fault_of(self, finding: Finding) -> str | None:
        if finding.state != "works":
            advice = "" if finding.command is None else f": {finding.command}"
            return f"{finding.name} does not work, because {finding.reason}{advice}"
        conflicts = [
            library.problem
            for extra in self.extras
            if extra.name in finding.extras
            for library in extra.libraries
            if library.problem is not None
        ]
        if conflicts:
            return f"{finding.name} may not work, because {conflicts[0]}: {_update_command(finding.extras)}"
        return None


def examine() -> Examination:
    """Looks at libraries, devices and features; imports the installed ones, which takes seconds."""
    devices = find_devices()
    required = required_libraries()
    core, extras = required if required is not None else ((), ())
    problems = list(devices.problems)
    if required is None:
        problems.append(
            "soritune is not installed as a package, so the versions that it needs are unknown; install it with pip"
        )
    problems += [
        f"{each.name} is not installed: pip install soritune" for each in core if each.version is None
    ]
    problems += [f"{each.problem}: pip install -U soritune" for each in core if each.problem is not None]
    for extra in extras:
        for library in extra.libraries:
            if library.problem is not None:
                problems.append(f"{library.problem}: {_update_command((extra.name,))}")
    features = find_features(devices)
    problems += [f"{each.name}: {each.reason}" for each in features if each.state == "broken"]
    return Examination(
        __version__, describe_machine(), devices, core, extras, features, tuple(dict.fromkeys(problems))
    )


def _fault_of_extra(extra: Extra) -> str:
    missing = [library.name for library in extra.libraries if library.version is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        return f"{listed(missing)} {verb} not installed: {extra.command}"
    conflict = next(library.problem for library in extra.libraries if library.problem is not None)
    return f"{conflict}: {_update_command((extra.name,))}"


def _update_command(extras: Sequence[str]) -> str:
    return f"pip install -U 'soritune[{','.join(extras)}]'"

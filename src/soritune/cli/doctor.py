"""`soritune doctor`: what runs on this machine, what is missing, and the commands that install it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from soritune.cli.terminal import AsJson, escape, print_error, print_json, print_line
from soritune.cli.terminal import output as terminal

if TYPE_CHECKING:
    from soritune.doctor.examination import Examination
    from soritune.doctor.machine import Devices, Machine


def doctor(
    require: Annotated[
        list[str] | None,
        typer.Option("--require", help="End with 1 unless this feature or extra works; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show versions, devices, what runs here, and the command that installs what is missing."""
    from soritune.doctor.examination import examine

    examination = examine()
    lacking = examination.lacking(require or ())
    if as_json:
        print_json(examination.to_json())
    else:
        _print(examination)
    for fault in lacking:
        print_error(f"error: {fault}")
    if lacking:
        raise typer.Exit(1)


def _print(examination: Examination) -> None:
    print_line(f"soritune {examination.soritune}")
    for line in (*_machine_lines(examination.machine), *_device_lines(examination.devices)):
        print_line(line)
    console = terminal()
    features = Table("feature", "state", "for")
    for each in examination.features:
        style = {"works": "green", "missing": "yellow", "broken": "red"}[each.state]
        features.add_row(each.name, f"[{style}]{each.state}[/{style}]", escape(each.purpose))
    console.print(features)
    for each in examination.features:  # lines, so that a command can be copied
        if each.state != "works":
            print_line(f"{each.name}: {': '.join(filter(None, (each.reason, each.command)))}")
    versions = Table("libraries of", "versions", "state")
    core = "installed" if all(each.state == "installed" for each in examination.libraries) else "incomplete"
    groups = [("core", examination.libraries, core if examination.libraries else "unknown")]
    groups += [(extra.name, extra.libraries, extra.state) for extra in examination.extras]
    for name, libraries, state in groups:
        listed = ", ".join(f"{each.name} {each.version or '–'}" for each in libraries)
        versions.add_row(name, escape(listed), state)
    console.print(versions)
    for problem in examination.problems:
        print_line(f"problem: {problem}", style="red")
    if not examination.problems:
        print_line("no problem was found in what is installed")


def _machine_lines(machine: Machine) -> list[str]:
    used = "" if machine.usable_cores == machine.cores else f", {machine.usable_cores} usable"
    threads = ", ".join(f"{name}={value}" for name, value in machine.threads.items())
    return [
        f"Python {machine.python}, {machine.system}",
        f"processor: {machine.processor}, {machine.cores} cores{used}{f'; {threads}' if threads else ''}",
        f"memory: {machine.free_memory_gb} of {machine.memory_gb} GB free",
        *(
            f"{disk.purpose}: {disk.free_gb} of {disk.total_gb} GB free, {disk.path}"
            for disk in machine.disks
        ),
    ]


def _device_lines(devices: Devices) -> list[str]:
    lines = [
        f"GPU {index}: {gpu.name}, {gpu.free_gb} of {gpu.total_gb} GB free, compute capability "
        f"{gpu.compute_capability}{', bf16' if gpu.bf16 else ''}"
        for index, gpu in enumerate(devices.gpus)
    ]
    if devices.torch_threads is not None:
        build = "for the CPU" if devices.cuda is None else f"for CUDA {devices.cuda}"
        lines.append(f"PyTorch {build}, {devices.torch_threads} threads")
    if devices.onnx_providers:
        lines.append(f"ONNX Runtime: {', '.join(devices.onnx_providers)}")
    return lines

"""Does every published system run at its true size, and with how much time and memory?

    python benchmarks/true_size.py [--recipe child-phoneme] [--work FOLDER] [--output true_size.json] [--keep]

For each recipe, one after another:

- a base folder of the recipe's architecture with random weights is written by plain transformers in the old format of
  the hub: `pytorch_model.bin`, `weight_g`/`weight_v`, layer drop and gradient checkpointing in config.json, a
  vocab.json in another order, no file for a processor;
- a small corpus is written in the recipe's layout: tones and noise of 2 to 3 s by several speakers;
- `soritune run` with the recipe's batch sizes gets Ctrl-C in its process group after step 2, and `--resume` runs to
  step 4;
- `soritune predict` and `soritune evaluate` run;
- plain transformers opens the bundle (adapters: plain peft on the plain base), and its logits of one clip are compared
  with those of soritune; if the base has a head with the labels, also `bundles/start` with the unchanged base.

Seconds and the peak resident memory of each stage's largest process are printed and written as JSON with the machine.
The figures are measured on a CPU with random weights: they do not describe accuracy. If a stage fails, its last lines
are printed and the exit code is 1. Needs about 15 GB of disk and 12 GB of free memory.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from true_size_inputs import (
    LARGE,
    child_vocabulary,
    json_pairs,
    make_base,
    second_language,
    speaker_folders,
    syllables,
)

from soritune.recipe import load_recipe

STEPS, INTERRUPTED_AFTER = 4, 2
TOLERANCE = 1e-4
"""Largest difference of a logit between soritune and plain transformers or peft. Logits are about 1 to 10; float32 sums
of 1,024 terms in another order differ by about 1e-6 a layer."""


@dataclass(frozen=True)
class Case:
    """A recipe with its base and corpus."""

    recipe: str
    base: dict[str, Any]
    """`kind` (ctc or pretraining), config changes and vocabulary, for `make_base`."""
    corpus: Callable[[Path], None]
    free_gb: float
    """Memory that must be free before the case starts."""
    overrides: tuple[str, ...] = field(default=())


@dataclass
class Stage:
    """One command: its duration and the peak memory of its largest process."""

    name: str
    seconds: float
    peak_gb: float
    output: str


class FailedError(Exception):
    """A stage failed; the message has the last lines of its output."""


CHILD, ADDED = child_vocabulary()
CASES = {
    case.recipe: case
    for case in (
        Case(
            "child-phoneme",
            {"kind": "ctc", "config": LARGE, "vocabulary": CHILD, "added": ADDED},
            json_pairs(4),
            7,
        ),
        Case("child-phoneme-full", {"kind": "pretraining", "config": LARGE}, json_pairs(12), 7),
        Case("l2-multitask", {"kind": "pretraining", "config": {}}, second_language, 6),
        Case(
            "emotion-3class",
            {"kind": "ctc", "config": LARGE, "vocabulary": syllables()},
            speaker_folders(21, 31, 91),
            12,
        ),
        Case(
            "emotion-4class",
            {"kind": "ctc", "config": LARGE, "vocabulary": syllables()},
            speaker_folders(1, 21, 31, 91),
            12,
        ),
    )
}

# --------------------------------------------------------------------------------------------- checking


def check(base: Path, run: Path, clip: Path) -> dict[str, Any]:
    """Compares logits of one clip by plain transformers or peft with soritune's, for `last` and an existing `start`."""
    import torch

    from soritune.audio.preprocessing import Preprocessing
    from soritune.bundles.hf_files import read_vocabulary
    from soritune.bundles.read import load_bundle
    from soritune.inference.predictor import Predictor

    result: dict[str, Any] = {"bundle_mb": {}}
    for name in ("last", "start"):
        folder = run / "bundles" / name
        if not folder.exists():
            continue
        bundle = load_bundle(folder)
        waveform = Preprocessing(**bundle.preprocessing).load(clip)[None]
        inputs = {"waveform": waveform, "num_samples": np.array([waveform.shape[1]])}
        outputs = Predictor.load(folder, device="cpu").members[0].backend.run(inputs)
        spec = bundle.outputs[0]
        ours = outputs[spec.name]
        plain = _plain_model(base if name == "start" else folder, base, bundle)
        with torch.no_grad():
            theirs = plain(torch.from_numpy(waveform)).logits.numpy()
        if name == "start":
            order = read_vocabulary(base)
            theirs = theirs[..., [order.index(label) for label in spec.labels]]
        if theirs.shape != ours.shape:
            raise SystemExit(f"{name}: logits of shape {ours.shape}, expected shape {theirs.shape}")
        result[name] = float(np.abs(theirs - ours).max())
        result[f"{name}_spread"] = float(ours.std())
        result["bundle_mb"][name] = round(bundle.weights_path.stat().st_size / 1e6, 1)
        if not result[f"{name}_spread"] > 100 * TOLERANCE:
            raise SystemExit(
                f"{name}: logits vary by only {result[f'{name}_spread']:.2e}; equality would prove nothing"
            )
        if not result[name] <= TOLERANCE:
            raise SystemExit(f"{name}: logits differ by {result[name]:.2e}, more than {TOLERANCE:.0e}")
    return result


def _plain_model(folder: Path, base: Path, bundle: Any) -> Any:
    """The bundle in plain transformers, adapters by peft on the plain base; the base itself if `folder` is `base`."""
    import peft
    import transformers

    if folder == base:
        return transformers.Wav2Vec2ForCTC.from_pretrained(base).eval()
    if bundle.is_adapter:
        model = transformers.Wav2Vec2ForCTC.from_pretrained(base, vocab_size=len(bundle.outputs[0].labels))
        return peft.PeftModel.from_pretrained(model, str(folder)).eval()
    class_name = json.loads((folder / "config.json").read_text())["architectures"][0]
    return getattr(transformers, class_name).from_pretrained(folder).eval()


# ------------------------------------------------------------------------------------------------ stages


def stage(
    name: str, command: list[str], log: Path, *, expect: int = 0, watch: Callable[[int], None] | None = None
) -> Stage:
    """Runs a command in its own process group.

    Raises:
        FailedError: the exit code is not `expect`.
    """
    print(f"  {name} …", end="", flush=True)
    started = time.perf_counter()
    out = log.with_name(f"{log.name}.out")
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "PYTHONFAULTHANDLER": "1",
    }
    with log.open("wb") as errors, out.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=errors, env=environment, start_new_session=True
        )
        try:
            if watch is not None:
                watch(process.pid)
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds, peak_gb = time.perf_counter() - started, usage.ru_maxrss / 1e6
    print(f" {seconds:.1f} s, {peak_gb:.2f} GB", flush=True)
    text = out.read_text(encoding="utf-8", errors="replace")
    if process.returncode != expect:
        last_lines = (
            log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:] + text.splitlines()[-10:]
        )
        raise FailedError(
            f"{name} ended with exit code {process.returncode} instead of {expect}: {' '.join(command)}\n"
            + "\n".join(last_lines)
        )
    return Stage(name, round(seconds, 1), round(peak_gb, 2), text)


def interrupt_after(log: Path, step: int, limit_s: float = 1800) -> Callable[[int], None]:
    """Sends Ctrl-C to the process group once `step` is in train.jsonl."""

    def watch(pid: int) -> None:
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
            if any(event["step"] >= step for event in steps_of(log)):
                os.killpg(pid, signal.SIGINT)
                return
            time.sleep(0.2)
        raise FailedError(f"step {step} was not reached in {limit_s:.0f} s")

    return watch


def steps_of(log: Path) -> list[dict[str, Any]]:
    """The "step" events of a train.jsonl; an incomplete last line is ignored."""
    if not log.exists():
        return []
    lines = [
        line for line in log.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")
    ]
    return [event for event in map(json.loads, lines) if event.get("event") == "step"]


def run_case(case: Case, work: Path) -> dict[str, Any]:
    """Runs all stages of one recipe in a new folder below `work`."""
    print(case.recipe, flush=True)
    _refuse_without(case.free_gb, work)
    folder = work / case.recipe
    shutil.rmtree(folder, ignore_errors=True)
    base, corpus, run = folder / "base", folder / "corpus", folder / "run"
    folder.mkdir(parents=True)
    case.corpus(corpus)
    (folder / "base.yaml").write_text(yaml.safe_dump(case.base, allow_unicode=True), encoding="utf-8")
    this_script, soritune = [sys.executable, __file__], [sys.executable, "-m", "soritune.cli.main"]
    stages = [stage("make base", [*this_script, "--make-base", str(folder)], folder / "base.log")]
    base_facts = json.loads(stages[0].output)
    train = [
        *soritune,
        "run",
        case.recipe,
        f"data={corpus}",
        f"model.encoder={base}",
        f"train.max_steps={STEPS}",
    ]
    train += ["train.log_every_steps=1", "train.device=cpu", "-o", str(run), "--json", *case.overrides]
    watch = interrupt_after(run / "train.jsonl", INTERRUPTED_AFTER)
    stages.append(stage("train to Ctrl-C", train, folder / "train.log", expect=130, watch=watch))
    stopped = json.loads(stages[-1].output)["training"]
    stages.append(stage("resume to the end", [*train, "--resume"], folder / "resume.log"))
    finished = json.loads(stages[-1].output)
    steps = [event["step"] for event in steps_of(run / "train.jsonl")]
    expected = STEPS * max(len(load_recipe(case.recipe).train.phases), 1)  # the limit applies to each phase
    if stopped["stopped"] != "interrupted" or steps != list(range(1, expected + 1)):
        raise FailedError(f"{case.recipe}: stopped {stopped}, then logged the steps {steps}")
    clips = sorted(corpus.rglob("*.wav"))[:5]
    command = [*soritune, "predict", *map(str, clips), "-b", str(run), "--device", "cpu", "--json"]
    stages.append(stage("predict 5 clips", command, folder / "predict.log"))
    predicted = json.loads(stages[-1].output)
    command = [*soritune, "evaluate", str(run), "--device", "cpu", "--resamples", "100", "--json"]
    stages.append(stage("evaluate", command, folder / "evaluate.log"))
    scores = json.loads(stages[-1].output)
    if predicted["predicted"] != 5 or scores["num_failed"]:
        raise FailedError(f"{case.recipe}: predicted {predicted}, failed {scores['num_failed']}")
    if (run / "bundles" / "start").exists():
        stages.append(stage("evaluate start", [*command, "--checkpoint", "start"], folder / "start.log"))
    command = [*this_script, "--check", str(base), str(run), str(clips[0])]
    stages.append(stage("open elsewhere", command, folder / "check.log"))
    return {
        "recipe": case.recipe,
        "base": base_facts,
        "stages": [{"name": s.name, "seconds": s.seconds, "peak_gb": s.peak_gb} for s in stages],
        "seconds_per_step": _seconds_per_step(run / "train.jsonl"),
        "largest_difference": json.loads(stages[-1].output),
        "rates": {
            name: {key: rate["value"] for key, rate in task_scores["rates"].items()}
            for name, task_scores in finished["scores"]["tasks"].items()
        },
        "disk_gb": round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e9, 1),
    }


def _seconds_per_step(log: Path) -> list[float]:
    return [round(1 / event["steps_per_s"], 1) for event in steps_of(log)]


def _refuse_without(free_gb: float, work: Path) -> None:
    memory = {
        line.split(":")[0]: int(line.split()[1]) / 1e6
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.endswith("kB")
    }
    disk_gb = shutil.disk_usage(work).free / 1e9
    if memory["MemAvailable"] < free_gb or disk_gb < 20:
        raise FailedError(
            f"{memory['MemAvailable']:.1f} GB of memory and {disk_gb:.0f} GB of disk in {work} are free; "
            f"{free_gb} and 20 are needed"
        )


def machine() -> dict[str, Any]:
    """Hardware and versions that the figures depend on."""
    from soritune.bundles.versions import versions

    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine()
    )
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "processor": name,
        "cores": os.cpu_count(),
        "memory_gb": round(memory_gb, 1),
        "load": round(os.getloadavg()[0], 1),
        "system": platform.platform(),
        "versions": versions(),
    }


def print_table(results: list[dict[str, Any]]) -> None:
    print(f"\n{'recipe':20} {'stage':20} {'seconds':>8} {'peak GB':>8}")
    for result in results:
        for row in result["stages"]:
            print(f"{result['recipe']:20} {row['name']:20} {row['seconds']:8.1f} {row['peak_gb']:8.2f}")
        difference = {k: v for k, v in result["largest_difference"].items() if k in ("last", "start")}
        print(
            f"{'':20} base {result['base']['parameters']:,} parameters; seconds per step {result['seconds_per_step']}; "
            f"logits of other libraries within {difference}; {result['disk_gb']} GB on disk"
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--recipe", action="append", choices=list(CASES), help="run only this recipe; may be repeated"
    )
    parser.add_argument("--work", type=Path, help="folder for bases and runs; default: a temporary folder")
    parser.add_argument("--output", type=Path, default=Path("true_size.json"))
    parser.add_argument("--keep", action="store_true", help="keep the folders")
    parser.add_argument("--make-base", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--check", type=Path, nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make_base:
        spec = yaml.safe_load((options.make_base / "base.yaml").read_text(encoding="utf-8"))
        print(json.dumps(make_base(options.make_base / "base", spec)))
        return 0
    if options.check:
        print(json.dumps(check(*options.check)))
        return 0
    work = options.work or Path(tempfile.mkdtemp(prefix="true-size-"))
    work.mkdir(parents=True, exist_ok=True)
    facts, results, failure = machine(), [], None
    for name in options.recipe or list(CASES):
        try:
            results.append(run_case(CASES[name], work))
        except FailedError as error:
            failure = error
            break
        finally:
            content = {"machine": facts, "recipes": results}
            options.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            if not options.keep:
                shutil.rmtree(work / name, ignore_errors=True)
    if not options.work and not options.keep:
        shutil.rmtree(work, ignore_errors=True)
    print_table(results)
    print(f"written to {options.output}")
    if failure is not None:
        print(f"FAILED: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The cluster templates: their syntax, and what the SLURM one does, with stand-ins for SLURM's programs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parent.parent / "docs" / "cluster"
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not here")


def kubernetes() -> dict[str, Any]:
    documents = yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text(encoding="utf-8"))
    return {document["kind"]: document for document in documents}


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = kubernetes()["Job"]["spec"]["template"]["spec"]
    return spec


def test_bash_reads_both_scripts() -> None:
    script = pod()["containers"][0]["args"][0]
    for text in ((FOLDER / "slurm.sh").read_text(encoding="utf-8"), script):
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_the_values_of_the_job_agree() -> None:
    job, service = kubernetes()["Job"], kubernetes()["Service"]
    container = pod()["containers"][0]
    given = {entry["name"]: entry["value"] for entry in container["env"]}
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == int(given["PODS"])
    assert container["resources"]["limits"]["nvidia.com/gpu"] == int(given["GPUS"])
    assert service["metadata"]["name"] == pod()["subdomain"]
    assert f"{job['metadata']['name']}-0.{service['metadata']['name']}:" in container["args"][0]
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": job["metadata"]["name"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == {v["name"] for v in pod()["volumes"]}
    assert pod()["terminationGracePeriodSeconds"] > int(given["TORCH_ELASTIC_SHUTDOWN_TIMEOUT"])
    ignored = job["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]
    assert ignored["containerName"] == container["name"]
    assert ignored["values"] == [130]
    assert pod()["restartPolicy"] == "Never"  # what podFailurePolicy asks for


STANDINS = {
    "srun": 'while [[ $1 == --* ]]; do shift; done\nexec "$@"',
    "scontrol": 'if [[ $1 == show ]]; then printf "node-a\\nnode-b\\n"; else echo "$@" >> "$CALLS"; fi',
    "torchrun": 'echo "$@" >> "$CALLS"\nif [[ -n $LAST ]]; then echo "$LAST" >> "$RUN/train.jsonl"; fi\nexit $CODE',
}


def submit(
    folder: Path, *, code: int, last: dict[str, Any] | None, checkpoint: bool
) -> tuple[int, list[str]]:
    """Runs the script; gives its exit code and the calls of torchrun and of `scontrol requeue`."""
    run, programs = folder / "run", folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    (run / "checkpoints").mkdir(parents=True)
    for name, text in STANDINS.items():
        (programs / name).write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    if checkpoint:
        (run / "checkpoints" / "step-40").mkdir()
    done = subprocess.run(
        ["bash", FOLDER / "slurm.sh", "train.epochs=8", "model.lora.rank=32"],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ
        | {"PATH": f"{programs}:{os.environ['PATH']}", "CALLS": str(folder / "calls"), "CODE": str(code)}
        | {"LAST": json.dumps(last) if last else "", "RECIPE": "child-phoneme", "RUN": str(run)}
        | {"SLURM_JOB_ID": "123456", "SLURM_JOB_NODELIST": "node-[a-b]", "SLURM_NNODES": "2"}
        | {"SLURM_GPUS_ON_NODE": "4"},
    )
    assert done.stderr == ""
    return done.returncode, (folder / "calls").read_text(encoding="utf-8").splitlines()


def test_a_fresh_job_starts_and_ends(tmp_path: Path) -> None:
    code, calls = submit(tmp_path, code=0, last={"event": "end", "stopped": "end"}, checkpoint=False)
    assert code == 0
    assert len(calls) == 1
    assert "--nnodes 2 --nproc-per-node 4" in calls[0]
    assert "--rdzv-endpoint node-a:23456" in calls[0]
    assert (
        f"--module soritune train child-phoneme train.epochs=8 model.lora.rank=32 --output {tmp_path}/run"
        in calls[0]
    )
    assert "--resume" not in calls[0]


def test_an_interrupted_job_is_queued_again_and_resumes(tmp_path: Path) -> None:
    code, calls = submit(tmp_path, code=1, last={"event": "end", "stopped": "interrupted"}, checkpoint=True)
    assert code == 0
    assert calls[0].endswith("--resume")
    assert calls[1:] == ["requeue 123456"]


@pytest.mark.parametrize("last", [None, {"event": "step", "loss": 3.0}])
def test_a_failed_job_is_not_queued_again(tmp_path: Path, last: dict[str, Any] | None) -> None:
    code, calls = submit(tmp_path, code=1, last=last, checkpoint=True)
    assert code == 1
    assert len(calls) == 1


def test_the_log_has_the_lines_that_the_templates_search_for() -> None:
    """`RunLog.event` writes JSON with these separators; the templates grep for it."""
    words = '"stopped": "interrupted"'
    assert words in json.dumps({"event": "end", "stopped": "interrupted"})
    assert words in (FOLDER / "slurm.sh").read_text(encoding="utf-8")
    assert words in pod()["containers"][0]["args"][0]

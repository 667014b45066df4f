"""Jobs on a cluster of Ray: the five verbs equal the local run, and a lost node loses nothing and doubles nothing."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import ray_signals

from soritune import ray_engine
from soritune.corpus import check_parts, headers
from soritune.corpus.check_parts import CheckFolder
from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.packed.pack import pack
from soritune.corpus.prepare import prepare
from soritune.errors import MissingLibraryError, OutputError, SorituneError
from soritune.extras import find_spec
from soritune.inference.predictions import read_predictions
from soritune.inference.predictor import Predictor
from soritune.inference.recognition.recogniser import RecognisedText, Word
from soritune.ray_engine import LIBRARIES, Origin, RayEngine, enter, refuse_unreachable, refuse_unschedulable
from soritune.stages.check import check_rows
from soritune.stages.check_report import CheckReport
from soritune.stages.cluster_prediction import ClusterPrediction
from soritune.stages.cluster_transcription import ClusterTranscription
from soritune.stages.predict import predict_rows
from soritune.stages.transcribe import transcribe

STORE = 100 << 20


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its path."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def here(*paths: Path, **changed: Any) -> Origin:
    versions = tuple(ray_engine._versions())
    return replace(Origin(Path.cwd(), paths, versions), **changed)


@pytest.mark.parametrize("address", ["ray://host:10001", "host", "host:", ":6379", "host:port", "host:६"])
def test_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(
        SorituneError, match="--ray-address expects HOST:PORT, such as 10.0.0.1:6379, or auto"
    ):
        refuse_unreachable(address)


def test_address_without_a_cluster_is_refused_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(SorituneError, match=f"no Ray cluster answers at {address} .*check --ray-address"):
            RayEngine(address).check()


def test_missing_ray_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soritune.extras.find_spec", lambda name: None if name == "ray" else find_spec(name))
    with pytest.raises(MissingLibraryError) as raised:
        RayEngine().check()
    assert str(raised.value) == "--engine ray needs ray, which is not installed: pip install 'soritune[ray]'"


def test_node_with_other_versions_is_refused() -> None:
    with pytest.raises(
        SorituneError, match=r"has pyarrow .*, and the command runs with 1\.0; install the same"
    ):
        enter(here(versions=("0.1.0", *here().versions[1:2], "1.0", *here().versions[3:])))


def test_node_that_lacks_a_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soritune.processes.VISIBLE_WITHIN_S", 0.0)
    with pytest.raises(OutputError, match=f"does not see {tmp_path / 'gone'}; the working directory, corpus"):
        enter(here(tmp_path, tmp_path / "gone"))


def test_process_works_in_the_folder_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    origin = here()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    enter(replace(origin, folder=tmp_path / "a"))
    enter(replace(origin, folder=tmp_path / "b"))
    enter(replace(origin, folder=tmp_path / "a"))
    assert Path.cwd() == tmp_path / "a"


def test_cluster_without_what_a_job_needs_is_refused() -> None:
    refuse_unschedulable({"CPU": 1.0, "GPU": 1.0}, 0.25)
    with pytest.raises(SorituneError, match="the cluster has no CPU for jobs; start Ray on a machine with"):
        refuse_unschedulable({"memory": 1.0})
    with pytest.raises(
        SorituneError, match=r"a job needs 0\.5 GPUs, and the cluster has 0; give fewer --gpus-per-"
    ):
        refuse_unschedulable({"CPU": 8.0}, 0.5)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        (None, "Ray does not start on this machine (too slow); run"),
        ("auto", "the Ray cluster at auto cannot be used ("),
    ],
)
def test_ray_that_does_not_start_is_one_sentence(
    address: str | None, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def init(**_: Any) -> None:
        raise Exception("too slow\nlogs")

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with pytest.raises(SorituneError) as raised:
        list(RayEngine(address).tasks(len, ["a"]))
    assert str(raised.value).startswith(sentence)


def test_libraries_that_results_depend_on_are_installed() -> None:
    assert LIBRARIES[0] == "soritune"
    assert len(here().versions) == len(LIBRARIES)


def started(start: Callable[[], Any], attempts: int = 4) -> Any:
    """What `start` gives. Ray gives up after 30 s, which a busy machine may need, and raises `Exception` itself."""
    for _ in range(attempts - 1):
        with suppress(Exception):
            return start()
    return start()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without CPUs and one node with two; tests may add nodes."""
    import ray
    from ray.cluster_utils import Cluster

    with ray_signals(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # a busy machine would starve them
        # A lost node is noticed after about 3 s instead of 15.
        timing = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 500}
        head = {"num_cpus": 0, "object_store_memory": STORE, "_system_config": timing}
        made = started(lambda: Cluster(initialize_head=True, head_node_args=head))
        started(lambda: made.add_node(num_cpus=2, object_store_memory=STORE))
        ray.init(address=made.address, log_to_driver=False)
        yield made
        ray.shutdown()
        made.shutdown()


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of 30 real clips, of which one is missing and one is damaged, as another toolkit wrote it."""
    folder = tmp_path_factory.mktemp("corpus")
    source = shared_data / "ko_speech_selvas"
    rows = [json.loads(line) for line in (source / "manifest.jsonl").read_text().splitlines()[:90:3]]
    (folder / "audio").mkdir()
    for number, row in enumerate(rows):
        copy = (source / row["audio"]).read_bytes()
        if number != 7:
            (folder / row["audio"]).write_bytes(copy[: 200 if number == 11 else None])
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return file


@pytest.mark.slow(seconds=40)
def test_prepare_check_and_pack_equal_the_local_run_byte_for_byte(
    cluster: Any, real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(headers, "ROWS_PER_PART", 8)
    monkeypatch.setattr(check_parts, "ROWS_PER_PART", 8)
    for name, engine in (("local", None), ("ray", RayEngine())):
        made = prepare("manifest", real, {}, tmp_path / name, engine=engine)
        assert (len(made.manifest), len(made.quarantined)) == (29, 1)
        checked = check_rows(made.manifest, tmp_path / name, [], measures=True, resumes="", engine=engine)
        assert len(checked.clean) == 28
        packed = pack(checked.clean, tmp_path / name / "packed", rows_per_shard=5, workers=1, engine=engine)
        assert (packed.num_shards, packed.num_new) == (6, 6)
    assert content(tmp_path / "ray") == content(tmp_path / "local")
    again = pack(
        load_manifest(tmp_path / "ray" / "checked.parquet"),
        tmp_path / "ray" / "packed",
        rows_per_shard=5,
        engine=RayEngine(),
    )
    assert again.num_new == 0


@pytest.mark.slow(seconds=40)
def test_predict_gives_the_rows_and_decisions_of_the_local_run(
    cluster: Any, real: Path, tmp_path: Path
) -> None:
    load = partial(Predictor.load, "soritune/tiny-ko", device="cpu", vad="energy")
    predictor, rows = load(), load_manifest(real, fields={"duration_s": "duration"})
    elsewhere = ClusterPrediction(RayEngine(actors=2), load, reads=[real.parent], rows_per_part=8)
    done = 0

    def watch(rows: Any) -> Iterator[Any]:
        nonlocal done
        for row in rows:
            done += 1
            yield row

    for name, where in (("local", None), ("ray", elsewhere)):
        predict_rows(predictor, rows, tmp_path / f"{name}.jsonl", data={}, cluster=where, watch=watch)
    local, ray = (read_predictions(tmp_path / f"{name}.jsonl") for name in ("local", "ray"))
    assert done == 60
    assert len(ray.failed) == 2
    assert [row["id"] for row in ray.rows] == [row["id"] for row in local.rows]
    for one, other in zip(ray.rows, local.rows, strict=True):
        assert one.get("error") == other.get("error")
        if "tasks" in one:
            first, second = (row["tasks"]["phoneme"]["prediction"] for row in (one, other))
            assert first["phones"] == second["phones"]
            assert first["confidence"] == pytest.approx(second["confidence"], abs=1e-3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["local.jsonl", "ray.jsonl"]


def toy() -> Any:
    """A recogniser whose text depends on the samples. It is sent by value: a node cannot import the tests."""

    class Toy:
        name, language = "toy", "ko"

        def record(self) -> dict[str, Any]:
            return {"name": "toy", "sha256": "abc"}

        def recognise(self, samples: Any) -> RecognisedText:
            loudness = float(np.abs(samples).mean())
            words = tuple(
                Word("가나다라마바사아자차"[int(digit)], 0.0, 0.1, loudness % 1)
                for digit in f"{len(samples)}"
            )
            return RecognisedText(" ".join(word.word for word in words), words, len(samples) / 16000)

    return Toy()


@pytest.mark.slow(seconds=30)
def test_transcribe_gives_the_rows_and_decisions_of_the_local_run(
    cluster: Any, real: Path, tmp_path: Path
) -> None:
    def load() -> Any:
        return made()

    made: Callable[[], Any] = _by_value(toy)
    rows = load_manifest(real, fields={"duration_s": "duration"})
    elsewhere = ClusterTranscription(RayEngine(), load, reads=[real.parent], rows_per_part=8)
    for name, where in (("local", None), ("ray", elsewhere)):
        (tmp_path / name).mkdir()
        result = transcribe(rows, toy(), tmp_path / name / "out.jsonl", min_confidence=0.05, cluster=where)
        assert result.failed == 2
        assert result.set_aside
        assert result.manifest is not None
    names = ("out.jsonl", "out.quarantine.jsonl")
    for name in names:
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "local" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "ray").iterdir()) == [*names, "out.recognised.jsonl"]
    again = transcribe(
        rows, toy(), tmp_path / "ray" / "out.jsonl", min_confidence=0.05, resume=True, cluster=elsewhere
    )
    assert again.resumed == 28


def _by_value(function: Any) -> Any:
    import ray.cloudpickle

    ray.cloudpickle.register_pickle_by_value(__import__(function.__module__, fromlist=["x"]))
    return function


def repeated(shared_data: Path, file: Path, turns: int) -> Manifest:
    """100 real clips, again and again: 1,200 rows are some twenty seconds of one core."""
    source = load_manifest(
        shared_data / "ko_speech_selvas" / "manifest.jsonl", fields={"duration_s": "duration"}
    )
    rows = [
        replace(row, id=f"{row.id}-{turn}")
        for turn in range(turns)
        for row in source.utterances(np.arange(100))
    ]
    return write_manifest(file, rows, root=source.root)


def times(folder: Path, done: str, *others: str) -> dict[str, int]:
    """When each file of a pattern was written, and its files with other suffixes, in nanoseconds."""
    found = [each for file in folder.glob(done) for each in (file, *map(file.with_suffix, others))]
    return {file.name: file.stat().st_mtime_ns for file in found}


@contextmanager
def lost_node(cluster: Any, folder: Path, number: int, done: str, *others: str) -> Iterator[dict[str, int]]:
    """A second node, which is killed when the folder has so many files of a pattern; gives the times of these at the
    loss, and of their files with other suffixes."""
    lost = started(lambda: cluster.add_node(num_cpus=2, object_store_memory=STORE))
    at_the_loss: dict[str, int] = {}
    ended = threading.Event()

    def lose() -> None:
        while len(list(folder.glob(done))) < number and not ended.wait(0.05):
            pass
        at_the_loss.update(times(folder, done, *others))
        cluster.remove_node(lost, allow_graceful=False)

    watcher = threading.Thread(target=lose)
    watcher.start()
    try:
        yield at_the_loss
    finally:
        ended.set()
        watcher.join(timeout=60)


@pytest.mark.slow(seconds=60)
@pytest.mark.long
def test_lost_node_loses_nothing_and_doubles_nothing(cluster: Any, shared_data: Path, tmp_path: Path) -> None:
    manifest = repeated(shared_data, tmp_path / "rows.parquet", 12)
    pack(manifest, tmp_path / "local", rows_per_shard=10, workers=2)
    shards = tmp_path / "ray" / "shards"
    with lost_node(cluster, shards, 25, "shard-*.json", ".arrow") as at_the_loss:
        packed = pack(manifest, tmp_path / "ray", rows_per_shard=10, engine=RayEngine())
    assert packed.num_new == 120
    assert 50 <= len(at_the_loss) < 240
    assert times(shards, "shard-*.json", ".arrow").items() >= at_the_loss.items()
    assert content(tmp_path / "ray") == content(tmp_path / "local")
    assert len(load_manifest(tmp_path / "ray" / "manifest.parquet")) == 1200


@pytest.mark.slow(seconds=60)
@pytest.mark.long
def test_check_on_a_lost_node_is_that_of_one_machine(
    cluster: Any, shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_parts, "ROWS_PER_PART", 10)
    manifest = repeated(shared_data, tmp_path / "rows.parquet", 12)
    arguments: dict[str, Any] = {"measures": True, "resumes": ""}
    reports = [CheckReport(None, tmp_path / name, title="rows", splits=None) for name in ("local", "ray")]
    check_rows(manifest, tmp_path / "local", [], workers=2, reports=reports[0], **arguments)
    at_the_end: dict[str, int] = {}
    remove = CheckFolder.remove

    def removed(folder: CheckFolder) -> None:
        at_the_end.update(times(folder.path, "part-*.parquet"))
        remove(folder)

    monkeypatch.setattr(CheckFolder, "remove", removed)
    parts = tmp_path / "ray" / "check_parts"
    with lost_node(cluster, parts, 25, "part-*.parquet") as at_the_loss:
        check_rows(manifest, tmp_path / "ray", [], engine=RayEngine(), reports=reports[1], **arguments)
    assert len(at_the_end) == 120 and 25 <= len(at_the_loss) < 120
    assert at_the_end.items() >= at_the_loss.items()
    assert content(tmp_path / "ray") == content(tmp_path / "local")


@pytest.mark.slow(seconds=30)
def test_failure_of_a_job_is_that_of_the_command(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(job: int) -> int:
        if job == 1:
            raise OutputError("the disk is full", "make room")
        return job

    def opener() -> Any:
        raise OutputError("no such model")

    def dies(job: int) -> int:
        os._exit(1)

    with pytest.raises(OutputError, match="^the disk is full; make room$"):
        list(RayEngine().tasks(full, range(3), in_order=True))
    with pytest.raises(OutputError, match="^the disk is full; make room$"):
        list(RayEngine().actors_of(lambda: full, range(3)))
    with pytest.raises(OutputError, match="^no such model$"):
        list(RayEngine(actors=1).actors_of(opener, range(3)))
    monkeypatch.setattr(ray_engine, "RETRIES", 1)
    with pytest.raises(SorituneError, match="Ray gave up a job whose process or node was lost 2 times"):
        list(RayEngine().tasks(dies, [0]))

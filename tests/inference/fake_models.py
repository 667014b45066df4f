"""A model small enough to know by heart: it sees 0.5 s around each frame and no other clip of a batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from soritune.bundles.write import write_bundle
from soritune.geometry import Geometry
from soritune.inference.ensemble import Member
from soritune.tasks.emotion import EmotionConfig, EmotionTask
from soritune.tasks.phoneme import PhonemeConfig, PhonemeTask

STEP, WIDTH, RADIUS = 320, 400, 25
GEOMETRY = Geometry((WIDTH,), (STEP,))


def emotion_task(labels=("calm", "tense", "warm")):
    return EmotionTask(EmotionConfig(labels=tuple(labels)))


def phoneme_task(inventory=("A", "B", "D")):
    return PhonemeTask(PhonemeConfig(inventory=tuple(inventory)))


class FakeBackend:
    """Frame features are moving averages of the samples; logits are fixed random mixtures of them."""

    padded_seconds = 60.0

    def __init__(self, tasks, seed=0):
        self.outputs = [spec for task in tasks for spec in task.outputs]
        draw = np.random.default_rng(seed)
        self.weights = {spec.name: draw.normal(size=(3, len(spec.labels))) * 4 for spec in self.outputs}
        self.batch_shapes = []

    def features(self, samples):
        count = max((len(samples) - WIDTH) // STEP + 1, 0)
        cut = (
            np.stack([samples[i * STEP : i * STEP + WIDTH] for i in range(count)])
            if count
            else np.zeros((0, WIDTH))
        )
        frames = np.stack([cut.mean(1), np.abs(cut).mean(1), cut.max(axis=1, initial=0)], axis=1)
        smooth = [frames[max(i - RADIUS, 0) : i + RADIUS + 1].mean(0) for i in range(count)]
        return np.array(smooth).reshape(count, 3)

    def run(self, inputs):
        self.batch_shapes.append(inputs["waveform"].shape)
        rows = [
            self.features(line[:length].astype(np.float64))
            for line, length in zip(inputs["waveform"], inputs["num_samples"], strict=True)
        ]
        longest = max(len(row) for row in rows)
        arrays = {"num_frames": np.array([len(row) for row in rows], dtype=np.int64)}
        for spec in self.outputs:
            # Padded frames hold garbage on purpose: code that reads them fails the tests.
            logits = np.full((len(rows), longest, len(spec.labels)), 99.0, dtype=np.float32)
            for line, row in zip(logits, rows, strict=True):
                line[: len(row)] = row @ self.weights[spec.name]
            if spec.resolution == "utterance":
                logits = np.stack([row.mean(0) @ self.weights[spec.name] for row in rows]).astype(np.float32)
            arrays[spec.name] = logits
        return arrays

    def run_pooled(self, inputs):
        rows = [
            self.features(line[:length].astype(np.float64)).mean(0)
            for line, length in zip(inputs["waveform"], inputs["num_samples"], strict=True)
        ]
        whole = [spec.name for spec in self.outputs if spec.resolution == "utterance"]
        return self.run(inputs), {name: np.stack(rows).astype(np.float32) for name in whole}

    def classify(self, pooled):
        return {name: (features @ self.weights[name]).astype(np.float32) for name, features in pooled.items()}


PITCHES_HZ = {"calm": 100.0, "tense": 200.0, "warm": 400.0}


class PitchBackend:
    """Probability 0.8 for the label whose pitch is next to that of the clip, by its zero crossings."""

    padded_seconds = 60.0

    def __init__(self, tasks):
        self.outputs = [spec for task in tasks for spec in task.outputs if spec.name == "emotion"]
        self.lengths = []

    def run(self, inputs):
        self.lengths += inputs["num_samples"].tolist()
        rows = []
        for line, length in zip(inputs["waveform"], inputs["num_samples"], strict=True):
            crossings = np.count_nonzero(np.diff(np.signbit(line[:length])))
            pitch = crossings / 2 / (length / 16000)
            far = [abs(np.log((pitch + 1) / hz)) for hz in PITCHES_HZ.values()]
            rows.append(np.log(np.where(np.arange(3) == np.argmin(far), 0.8, 0.1)))
        arrays = {spec.name: np.array(rows, dtype=np.float32) for spec in self.outputs}
        return {**arrays, "num_frames": inputs["num_samples"] // STEP}


def pitch_member(**options):
    """A loaded model whose label is the pitch of the clip."""
    return replace(member([emotion_task()], **options), backend=PitchBackend([emotion_task()]))


def tones_in_turn(*turns, rate=16000):
    """(samples,): for each (label or None, seconds) a tone of that label's pitch, three times a second loud and
    faint, or silence."""
    parts = []
    for label, seconds in turns:
        time = np.arange(round(seconds * rate)) / rate
        level = (
            0.0
            if label is None
            else 0.5
            * np.sin(2 * np.pi * PITCHES_HZ[label] * time + 0.1)
            * (0.5 - 0.49 * np.cos(6 * np.pi * time))
        )
        parts.append(np.zeros(len(time)) + level)
    return np.concatenate(parts).astype(np.float32)


def card(tasks, *, synthetic=False, max_duration_s=None):
    return {
        "kind": "full",
        "tasks": [{"name": task.name, "config": task.config.model_dump(mode="json")} for task in tasks],
        "outputs": [spec.to_json() for task in tasks for spec in task.outputs],
        "inputs": [],
        "encoder": {
            "model_type": "wav2vec2",
            "source": "none",
            "geometry": GEOMETRY.to_json(),
            "hidden_size": 3,
        },
        "preprocessing": {"sample_rate_hz": 16000, "max_duration_s": max_duration_s, "normalize": True},
        "model": {},
        "recipe": {"name": "fake"},
        "recipe_name": "fake",
        "data": {
            "manifest_hash": "c0ffee",
            "split": {"by": ["speaker"], "seed": 0},
            "sources": ["made"],
            "synthetic": synthetic,
        },
        "training": {"step": 7, "epochs_done": 1.5, "metrics": {}, "weights": "raw"},
        "seed": 3,
        "licence": "MIT",
    }


def make_bundle(path, tasks, **options):
    """A bundle folder with a card and a weights file that is never read."""
    weights = {"nothing": np.zeros(1, dtype=np.float32)}
    return write_bundle(path, weights=weights, card=card(tasks, **options), json_files={"config.json": {}})


def member(tasks, *, name="fake", seed=0, max_duration_s=None, synthetic=False):
    """A loaded fake model, without a folder."""
    from soritune.audio.preprocessing import Preprocessing

    preprocessing = Preprocessing(max_duration_s=max_duration_s)
    made = card(tasks, synthetic=synthetic, max_duration_s=max_duration_s)
    return Member(name, made, tuple(tasks), preprocessing, GEOMETRY, FakeBackend(tasks, seed))


def prediction_rows(accuracy_by_speaker, *, labels=("calm", "tense", "warm"), clips=6):
    """Rows of an emotion model; the number of a speaker states how many of the first clips are right."""
    rows = []
    for number, (speaker, right) in enumerate(accuracy_by_speaker.items()):
        for index in range(clips):
            truth = labels[index % len(labels)]
            label = truth if index < right else labels[(index + 1) % len(labels)]
            probabilities = {name: 0.8 if name == label else 0.2 / (len(labels) - 1) for name in labels}
            prediction = {
                "task": "emotion",
                "label": label,
                "confidence": 0.8,
                "probabilities": probabilities,
            }
            groups = {"speaker": speaker, "gender": "F" if number % 2 else "M", "age": 6.0 + number}
            rows.append(
                {
                    "id": f"{speaker}_{index}",
                    "audio": f"{speaker}_{index}.wav",
                    "duration_s": 2.0,
                    "groups": groups,
                    "tasks": {"emotion": {"prediction": prediction, "reference": {"label": truth}}},
                }
            )
    return rows


def phoneme_rows(pairs):
    """Rows of a phoneme model: `{speaker: [(reference, hypothesis), …]}`, phones separated by spaces."""
    rows = []
    for speaker, utterances in pairs.items():
        for index, (reference, hypothesis) in enumerate(utterances):
            prediction = {"task": "phoneme", "phones": hypothesis.split(), "confidence": 0.9}
            rows.append(
                {
                    "id": f"{speaker}_{index}",
                    "audio": f"{speaker}_{index}.wav",
                    "duration_s": 1.0,
                    "groups": {"speaker": speaker},
                    "tasks": {
                        "phoneme": {"prediction": prediction, "reference": {"phones": reference.split()}}
                    },
                }
            )
    return rows


def write_rows(path, tasks, rows, *, data=None, name="fake", synthetic=False, trained=False):
    """A predictions file with these rows; `synthetic` marks them, `trained` the speech of the model's training."""
    from soritune.inference.origin import make_header
    from soritune.inference.predictions import write_predictions
    from soritune.inference.predictor import Predictor

    predictor = Predictor([member(tasks, name=name, synthetic=trained)])
    header = make_header(predictor, {"synthetic": synthetic, **(data or {})})
    write_predictions(path, header, rows)
    return path

"""Whether sherpa-onnx gives the symbols and times of soritune, on real clips (extra `peers`).

    OMP_NUM_THREADS=1 python benchmarks/sherpa_tokens.py CLIPS --model soritune/tiny-ko --folder EXPORTED

`--folder` is what `soritune export sherpa MODEL` wrote; without it, the model is exported to a temporary folder. Both
programs read the same samples at 16 kHz and decode greedily;
clips are not longer than those of the training. Times of sherpa-onnx are compared with the start of each
symbol, in seconds; it counts 20 ms per frame.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import soundfile

from soritune.audio.waveform import read_audio
from soritune.bundles.read import load_bundle
from soritune.inference.predictor import Predictor
from soritune.stages.export import export
from soritune.tasks.decoding.greedy import GreedyDecoder
from soritune.tasks.objectives.objective import objective_of

RATE_HZ = 16000
SUFFIXES = (".flac", ".wav", ".opus")
BLANK = "<blk>"


def clips_of(folder: Path, number: int, longest_s: float) -> list[Any]:
    """Samples of clips spread evenly over those of a folder that are not longer than this."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)
    files = [path for path in files if soundfile.info(path).duration <= longest_s]
    if len(files) < number:
        sys.exit(f"{folder} has {len(files)} clips of at most {longest_s:g} s in {', '.join(SUFFIXES)}")
    chosen = files[:: len(files) // number][:number]
    return [read_audio(file, sample_rate_hz=RATE_HZ) for file in chosen]


def by_sherpa(
    folder: Path, waves: list[Any], threads: int
) -> tuple[list[tuple[list[str], list[float]]], float]:
    """Symbols and times of each clip, and the seconds that it took."""
    import sherpa_onnx

    recogniser = sherpa_onnx.OfflineRecognizer.from_omnilingual_asr_ctc(
        model=str(folder / "model.onnx"), tokens=str(folder / "tokens.txt"), num_threads=threads
    )
    results = []
    start = time.perf_counter()
    for wave in waves:
        stream = recogniser.create_stream()
        stream.accept_waveform(RATE_HZ, wave)
        recogniser.decode_stream(stream)
        results.append((list(stream.result.tokens), list(stream.result.timestamps)))
    return results, time.perf_counter() - start


def by_soritune(model: str, waves: list[Any]) -> tuple[list[tuple[list[str], list[float]]], float]:
    """The same by the greedy decoder, before a task makes a prediction of the symbols."""
    predictor = Predictor.load(model, device="cpu", vad="off")
    spec = next(spec for spec in predictor.outputs.values() if objective_of(spec).needs_decoder)
    blank = int(spec.options.get("blank", 0))
    geometry = predictor.members[0].geometry
    results = []
    start = time.perf_counter()
    for wave in waves:
        (posteriors,) = predictor.posteriors((wave, RATE_HZ))
        decoded = GreedyDecoder().decode(posteriors.outputs[spec.name], spec.labels, blank)
        times = [float(frame) / geometry.frame_rate_hz for frame in decoded.first_frames]
        results.append((list(decoded.symbols), times))
    return results, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, help="folder of recordings")
    parser.add_argument("--model", default="soritune/tiny-ko")
    parser.add_argument("--folder", type=Path, help="exported earlier")
    parser.add_argument("--number", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    # Longer clips than those of its training are cut into windows by soritune, and not by sherpa-onnx.
    longest = load_bundle(options.model).preprocessing.get("max_duration_s") or 30.0
    waves = clips_of(options.clips, options.number, float(longest))
    seconds = sum(map(len, waves)) / RATE_HZ
    with tempfile.TemporaryDirectory() as work:
        folder = options.folder or export("sherpa", options.model, Path(work) / "sherpa").folder
        theirs, their_s = by_sherpa(folder, waves, options.threads)
    ours, our_s = by_soritune(options.model, waves)
    equal = [mine[0] == other[0] for mine, other in zip(ours, theirs, strict=True)]
    gaps = [
        abs(mine - other)
        for (symbols, mine_times), (tokens, times) in zip(ours, theirs, strict=True)
        if symbols == tokens
        for mine, other in zip(mine_times, times, strict=True)
    ]
    result = {
        "clips": len(waves),
        "seconds": round(seconds, 1),
        "clips_with_equal_tokens": sum(equal),
        "tokens": sum(len(tokens) for tokens, _ in theirs),
        "largest_gap_of_times_s": round(max(gaps, default=0.0), 4),
        "sherpa_s": round(their_s, 2),
        "soritune_s": round(our_s, 2),
    }
    print(
        "example:", *(f"{token} {time:.2f}" for token, time in zip(*theirs[0], strict=True)), file=sys.stderr
    )
    if options.json:
        options.json.write_text(json.dumps(result) + "\n", encoding="utf-8")
    print(json.dumps(result))
    sys.exit(0 if all(equal) else 1)


if __name__ == "__main__":
    main()

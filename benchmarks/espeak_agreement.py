"""Does espeak-ng pronounce the phones of the label? Its reported phonemes compared over 1,000 sentences.

    python benchmarks/espeak_agreement.py [--sentences 1000]

Three kinds of input are compared: the spelling, the pronounced spelling (G2P output), and espeak-ng's own phonemes, as
in `soritune synthesize`. The phonemes that espeak-ng reports are mapped to phones and compared with the label: `phones`
is the share of label phones that agree (1 - edits / phones), `utterances` the share without any edit. The most common
edits of each input are listed. Phones that the report does not distinguish (ㄱ and ㄲ inside a word are one phoneme in
its reading of Hangul) count as edits.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence

import numpy as np

from soritune.audio.synthesis.espeak import Sound, Synthesizer
from soritune.audio.synthesis.phonemes import draw_accent, in_phonemes
from soritune.audio.synthesis.reading import draw_reading
from soritune.audio.synthesis.sentences import draw_text
from soritune.metrics.edit_distance import align

VOICE = "language ko\nname plain\npitch 80 118\nintonation 2\n"
VOWELS = {"a": "A", "@": "EO", "o": "O", "u": "U", "u-": "EU", "i": "I", "E": "E", "e": "E"}
J = {"A": "iA", "EO": "iEO", "O": "iO", "U": "iU", "E": "iE"}
W = {"A": "oA", "E": "oE", "EO": "uEO", "I": "uI"}
ONSETS = {"k": "G", "g": "G", "k-": "GG", "q": "G", "q-": "GG", "kh": "Kh"}
ONSETS |= {"t": "D", "d": "D", "d-": "D", "t-": "DD", "th": "Th", "p": "B", "b": "B", "p-": "BB", "ph": "Ph"}
ONSETS |= {
    "tS;": "J",
    "dZ;": "J",
    "tS;-": "JJ",
    "tS": "J",
    "s": "S",
    "s-": "SS",
    "S;": "S",
    "h": "H",
    "C": "H",
}
ONSETS |= {"n": "N", "m": "M", "*": "R", "l": "R", "L": "R", "N": "NG"}
CODAS = dict.fromkeys(("k", "k-", "q", "q-", "kh", "g"), "k") | dict.fromkeys(("p", "p-", "b", "ph"), "p")
CODAS |= dict.fromkeys(("t", "t-", "d", "d-", "s", "s-", "tS;", "dZ;"), "t") | dict.fromkeys(
    ("l", "L", "*"), "L"
)
CODAS |= {"n": "N", "m": "M", "N": "NG"}
ASPIRATED = {"t": "Th", "tS;": "CHh", "tS": "CHh", "k": "Kh", "kh": "Kh", "p": "Ph", "ph": "Ph", "s": "S"}


def phones_of(sounds: Sequence[Sound]) -> list[str]:
    """The phonemes that espeak-ng reports, as phones."""
    names = [
        name for name in (sound.name.strip("',%=") for sound in sounds) if name and not name.startswith("_")
    ]
    # The glide that espeak-ng inserts between ㅣ and a vowel is only the transition between them.
    names = [name for index, name in enumerate(names) if name != ";" or names[index - 1] != "i"]
    phones: list[str] = []
    index = 0
    while index < len(names):
        name, after = names[index], names[index + 1] if index + 1 < len(names) else ""
        after_next = names[index + 2] if index + 2 < len(names) else ""
        if name in ("j", ";", "w"):
            table = W if name == "w" else J
            vowel = VOWELS.get(after, "")
            if vowel:
                phones.append(table.get(vowel, vowel))
                index += 2
                continue
            index += 1
        elif name == "u-" and ((after == "j" and after_next not in VOWELS) or after == "i"):
            phones.append("euI")
            index += 2
        elif name in VOWELS:
            phones.append(VOWELS[name])
            index += 1
        elif after == "h" and name in ASPIRATED and after_next in (*VOWELS, "j", "w", "h"):
            phones.append(ASPIRATED[name])
            index += 2
        elif name in ("s", "S;") and after == name:
            phones.append("SS")
            index += 2
        elif after in (*VOWELS, "j", "w", ";"):
            lateral = name in ("l", "L") and phones  # ㄹㄹ, or a coda before a word that begins with a vowel
            phones.append("L" if lateral else ONSETS.get(name, name))
            index += 1
        else:
            phones.append(CODAS.get(name, name))
            index += 1
    return phones


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--sentences", type=int, default=1000)
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    synthesizer = Synthesizer()
    edits: dict[str, Counter[str]] = {kind: Counter() for kind in ("written", "pronounced", "phonemes")}
    wrong, phones, whole = Counter[str](), 0, Counter[str]()
    for number in range(chosen.sentences):
        rng = np.random.default_rng([chosen.seed, number])
        text, _ = draw_text(rng, "train")
        reading = draw_reading(text, rng, 0.0, 1.0)
        label = [phone for phone in reading.phones if phone != "|"]
        phones += len(label)
        inputs = {
            "written": (", ".join(reading.pronounced) if any(c.isdigit() for c in text) else text, False),
            "pronounced": (", ".join(reading.pronounced), False),
            "phonemes": (in_phonemes(reading.phrases, draw_accent(rng), rng), True),
        }
        for kind, (text_in, as_phonemes) in inputs.items():
            reported = phones_of(synthesizer.speak_as(VOICE, text_in, phonemes=as_phonemes).sounds)
            reference = merged(label) if kind == "phonemes" else label
            alignment = align(reference, merged(reported) if kind == "phonemes" else reported)
            steps = [(pair.reference, pair.hypothesis) for pair in alignment.ops if pair.operation != "equal"]
            wrong[kind] += len(steps)
            whole[kind] += not steps
            edits[kind].update(f"{before or '-'}>{after or '-'}" for before, after in steps)
    for kind in edits:
        shares = 100 * (1 - wrong[kind] / phones), 100 * whole[kind] / chosen.sentences
        print(f"{kind:10s} phones {shares[0]:6.2f} %  utterances {shares[1]:6.2f} %")
        print("           " + ", ".join(f"{edit} {count}" for edit, count in edits[kind].most_common(14)))


def merged(phones: Sequence[str]) -> list[str]:
    """Replaces ㅡ followed by ㅣ by ㅢ, since the accent that pronounces ㅢ as two vowels does not distinguish them."""
    result: list[str] = []
    for phone in phones:
        if phone == "I" and result and result[-1] == "EU":
            result[-1] = "euI"
        else:
            result.append(phone)
    return result


if __name__ == "__main__":
    main()

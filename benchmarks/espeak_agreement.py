"""Does espeak-ng say what the label says? Its phonemes against the project's phones, over 1,000 sentences.

    python benchmarks/espeak_agreement.py [--sentences 1000]

Three ways to make it speak: the spelling as written, the pronounced spelling (G2P output), and its own phonemes, as
`soritune synthesize` does. What espeak-ng reports while it speaks is mapped back to phones and held against the label;
`phones` is the share of label phones that agree (1 - edits / phones), `utterances` the share without any edit. The
commonest edits of each way are listed. What cannot be told apart from the report (ㄱ and ㄲ inside a word are one
phoneme in its reading of Hangul) counts as the label's other phone.
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
    """espeak-ng's report as phones."""
    names = [
        name for name in (sound.name.strip("',%=") for sound in sounds) if name and not name.startswith("_")
    ]
    # The glide that espeak-ng puts between ㅣ and a vowel is the transition between them, no sound of its own.
    names = [name for place, name in enumerate(names) if name != ";" or names[place - 1] != "i"]
    found: list[str] = []
    place = 0
    while place < len(names):
        name, after = names[place], names[place + 1] if place + 1 < len(names) else ""
        further = names[place + 2] if place + 2 < len(names) else ""
        if name in ("j", ";", "w"):
            table = W if name == "w" else J
            vowel = VOWELS.get(after, "")
            if vowel:
                found.append(table.get(vowel, vowel))
                place += 2
                continue
            place += 1
        elif name == "u-" and ((after == "j" and further not in VOWELS) or after == "i"):
            found.append("euI")
            place += 2
        elif name in VOWELS:
            found.append(VOWELS[name])
            place += 1
        elif after == "h" and name in ASPIRATED and further in (*VOWELS, "j", "w", "h"):
            found.append(ASPIRATED[name])
            place += 2
        elif name in ("s", "S;") and after == name:
            found.append("SS")
            place += 2
        elif after in (*VOWELS, "j", "w", ";"):
            lateral = name in ("l", "L") and found  # ㄹㄹ, or a coda before a word that begins with a vowel
            found.append("L" if lateral else ONSETS.get(name, name))
            place += 1
        else:
            found.append(CODAS.get(name, name))
            place += 1
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--sentences", type=int, default=1000)
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    synthesizer = Synthesizer()
    edits: dict[str, Counter[str]] = {way: Counter() for way in ("written", "pronounced", "phonemes")}
    wrong, phones, whole = Counter[str](), 0, Counter[str]()
    for number in range(chosen.sentences):
        rng = np.random.default_rng([chosen.seed, number])
        text, _ = draw_text(rng, "train")
        reading = draw_reading(text, rng, 0.0, 1.0)
        label = [phone for phone in reading.phones if phone != "|"]
        phones += len(label)
        said = {
            "written": (", ".join(reading.pronounced) if any(c.isdigit() for c in text) else text, False),
            "pronounced": (", ".join(reading.pronounced), False),
            "phonemes": (in_phonemes(reading.phrases, draw_accent(rng), rng), True),
        }
        for way, (what, in_its_own) in said.items():
            heard = phones_of(synthesizer.speak_as(VOICE, what, phonemes=in_its_own).sounds)
            reference = merged(label) if way == "phonemes" else label
            found = align(reference, merged(heard) if way == "phonemes" else heard)
            steps = [(pair.reference, pair.hypothesis) for pair in found.ops if pair.operation != "equal"]
            wrong[way] += len(steps)
            whole[way] += not steps
            edits[way].update(f"{before or '-'}>{after or '-'}" for before, after in steps)
    for way in edits:
        shares = 100 * (1 - wrong[way] / phones), 100 * whole[way] / chosen.sentences
        print(f"{way:10s} phones {shares[0]:6.2f} %  utterances {shares[1]:6.2f} %")
        print("           " + ", ".join(f"{edit} {count}" for edit, count in edits[way].most_common(14)))


def merged(phones: Sequence[str]) -> list[str]:
    """ㅡ followed by ㅣ as ㅢ: the accent that says ㅢ in two vowels does not tell them apart, and no one does."""
    found: list[str] = []
    for phone in phones:
        if phone == "I" and found and found[-1] == "EU":
            found[-1] = "euI"
        else:
            found.append(phone)
    return found


if __name__ == "__main__":
    main()

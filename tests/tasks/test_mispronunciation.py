from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError, WrongSettingError
from soritune.reports.baselines import baselines
from soritune.tasks.mispronunciation import MispronunciationConfig, MispronunciationTask
from soritune.tasks.phones.annotation_reader import fold_phone
from soritune.tasks.results import Pair, Prediction

TWO, FOUR = "correct-incorrect", "correct-substituted-deleted-inserted"
CANONICAL = "sil dh ah sil th ih ng k   s t r iy t sil"
PERCEIVED = "sil d  ah sil s  ih ng sil s t r iy t uh"
RECOGNISED = "d ah t ih ng k z t r ah iy t"
LABELS = "C S C C S C C D C C C C C I"


def task(labels: str = FOUR, **settings: Any) -> MispronunciationTask:
    return MispronunciationTask(MispronunciationConfig.model_validate({"labels": labels, **settings}))


def row(canonical: str | None, perceived: str | None, labels: str | None = None, **fields: Any) -> Utterance:
    parts = {"canonical": canonical, "perceived": perceived, "error_labels": labels}
    present = {name: tuple(text.split()) for name, text in parts.items() if text is not None}
    return Utterance(id="u", audio="u.wav", duration_s=1.0, **present, **fields)


def judged(
    judge: MispronunciationTask, utterance: Utterance, phones: str = "", labels: str = "", **more: Any
) -> Pair:
    reference = judge.reference(utterance)
    assert reference is not None
    fields = {"phones": phones.split(), "labels": labels.split(), "confidence": 1.0}
    return Pair("u", json.loads(json.dumps(reference)), Prediction("mispronunciation", fields), more)


def test_part_without_an_error_is_a_fault_if_labels_are_learnt() -> None:
    correct, wrong = row("s k", "s k", "C C"), row("s k", "s s", "C S")
    broken = row("s k", "s k", "C")
    assert "no mispronunciation" in str(task().part_fault([correct, broken]))
    assert task().part_fault([correct, wrong]) is None
    assert task(task="phoneme").part_fault([correct]) is None


@pytest.mark.parametrize(
    ("scheme", "letters"), [(TWO, "C S"), (TWO, "C D"), (FOUR, "C E"), (FOUR, "C c"), (TWO, "0 1")]
)
def test_unknown_letter_is_a_wrong_setting(scheme: str, letters: str) -> None:
    with pytest.raises(WrongSettingError, match="tasks.mispronunciation.labels"):
        task(scheme).targets(row("s k", "s s", letters))


def spelt(symbols: list[str], output: Any) -> np.ndarray:
    """Log-probabilities (frames, labels) of a path that spells the symbols, each for two frames, blanks between."""
    blank = output.options["blank"]
    path = [column for symbol in symbols for column in (output.labels.index(symbol),) * 2 + (blank,)]
    table = np.full((len(path), len(output.labels)), -20.0, dtype=np.float32)
    table[np.arange(len(path)), path] = math.log(0.8)
    return table


# Outputs and decoding.


def test_outputs_follow_the_settings() -> None:
    phoneme, error = task(phoneme_weight=0.5, error_weight=2.0, error_layer=6).outputs
    assert (phoneme.name, error.name) == ("phoneme", "error")
    assert phoneme.labels[0] == "[PAD]" and phoneme.labels[-1] == "sil"
    assert len(phoneme.labels) == 1 + 39 + 1 + 1  # blank, phones, err, silence
    assert "err" in phoneme.labels and "ah" in phoneme.labels
    assert error.labels == ("[PAD]", "C", "S", "D", "I")
    assert (phoneme.weight, error.weight, error.layer) == (0.5, 2.0, 6)
    assert task(TWO).outputs[1].labels == ("[PAD]", "C", "I")
    assert [spec.name for spec in task(task="phoneme").outputs] == ["phoneme"]
    assert [spec.name for spec in task(task="error").outputs] == ["error"]


def test_greedy_decoding_drops_silence_and_keeps_repeated_labels() -> None:
    judge = task()
    phoneme, error = judge.outputs
    prediction = judge.decode(
        {"phoneme": spelt(["sil", "dh", "ah", "sil"], phoneme), "error": spelt(["C", "C", "S"], error)}
    )
    assert prediction.fields["phones"] == ["dh", "ah"]
    assert prediction.fields["labels"] == ["C", "C", "S"]
    assert prediction.fields["confidence"] == prediction.fields["labels_confidence"] == pytest.approx(0.8)


def test_label_scheme_is_required() -> None:
    with pytest.raises(ValidationError, match="labels\n  Field required"):
        MispronunciationConfig.model_validate({})
    with pytest.raises(ValidationError, match="correct-substituted"):
        MispronunciationConfig.model_validate({"labels": "CI"})


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"inventory": ["a", "a"]}, "distinct phones"),
        ({"inventory": ["a", "sil"]}, "'sil' is a gap"),
        ({"inventory": ["a", "-"], "gap": "-"}, "'-' is a gap"),
        ({"inventory": "korean", "fold": ["case"]}, "inventory=arpabet only"),
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        task(**settings)


# Rows.


def test_targets_are_perceived_phones_and_labels() -> None:
    judge = task()
    phones = ("sil", *(symbol for symbol in PERCEIVED.split() if symbol != "sil"), "sil")
    targets = judge.targets(row(CANONICAL, PERCEIVED, LABELS, phones=phones))
    phoneme, error = judge.outputs
    assert targets["phoneme"] is not None and targets["error"] is not None
    assert [phoneme.labels[i] for i in targets["phoneme"]] == list(phones)
    assert [error.labels[i] for i in targets["error"]] == LABELS.split()
    fallback = judge.targets(row(CANONICAL, PERCEIVED, LABELS))["phoneme"]
    assert fallback is not None
    assert [phoneme.labels[i] for i in fallback] == [s for s in PERCEIVED.split() if s != "sil"]


def test_row_with_some_labels_has_only_their_targets() -> None:
    judge = task()
    only_phones = row(None, None, phones=("d", "ah"))
    assert judge.targets(only_phones)["error"] is None
    assert judge.reference(only_phones) == {
        "phones": ["d", "ah"],
        "canonical": None,
        "perceived": None,
        "labels": None,
    }
    assert judge.targets(row(None, None, "C S"))["phoneme"] is None
    assert task(task="phoneme").reference(row(None, None, "C S")) is None
    assert task(task="error").reference(only_phones) is None


@pytest.mark.parametrize(
    ("scheme", "canonical", "perceived", "labels", "sentence"),
    [
        (FOUR, "a b", "a", "C C", "canonical has 2 symbols and perceived 1; they must be aligned one to one"),
        (FOUR, "a b", "a b", "C", "there are 1 error labels for 2 aligned positions; 2 were expected"),
        (FOUR, "sil a b sil", "sil a b sil", "C C C", "3 error labels for 4 aligned positions; 4 or 2 were"),
        (FOUR, "a b", "a b", "C X", f"label 'X' is not of tasks.mispronunciation.labels={FOUR}"),
        (FOUR, "a b", "a b", "C E", f"set tasks.mispronunciation.labels={TWO} if every error has one letter"),
        (TWO, "a b", "a d", "C S", f"'S' is not of .*{TWO}.*set .*={FOUR} if I means insertion"),
        (TWO, "a sil b", "a d sil", "C I D", f"set tasks.mispronunciation.labels={FOUR}"),
        (
            FOUR,
            "a b",
            "a d",
            "C I",
            f"label I at position 2 .*I is an insertion.*set .*={TWO} if I means incorrect",
        ),
        (FOUR, "a b", "a d", "C C", "label C at position 2 .canonical 'b', perceived 'd'. contradicts"),
        (TWO, "a b", "a d", "C C", "C means that both are equal"),
        (FOUR, "a b", "a d", "C D", "D is a deletion, whose perceived side is 'sil'"),
        (FOUR, "a b", "a sil", "C S", "S is a substitution"),
        (FOUR, "a sil", "a d", "C S", "S is a substitution"),
        (TWO, "a sil", "a sil", "C I", "silence is labelled C"),
        (FOUR, "a sil", "a sil", "C D", "silence is labelled C"),
        (FOUR, "a q", "a q", "C C", "phone 'q' is not in the label set"),
        (FOUR, "a b", "a b", "C s", "label 's' is not of .* the letters are upper case: write 'S'"),
        (TWO, "a b", "a d", "c I", "write 'C'"),
        (TWO, "a b", "a d", "C e", "write 'E'"),
        (FOUR, "a b", None, "C", "1 error labels for 2 canonical symbols; 2 were expected"),
        (FOUR, "a sil b", None, "C", "1 error labels for 3 canonical symbols; 2 to 3 were expected"),
        (TWO, "a b", None, "C C I", "3 error labels for 2 canonical"),
    ],
)
def test_rows_that_contradict_themselves_or_the_setting_are_refused(
    scheme: str, canonical: str, perceived: str | None, labels: str, sentence: str
) -> None:
    judge = task(scheme, inventory=["a", "b", "d"])
    utterance = row(canonical, perceived, labels)
    for read in (judge.targets, judge.reference):
        with pytest.raises(TaskError, match=sentence):
            read(utterance)


def test_valid_annotations_are_accepted() -> None:
    judge = task(inventory=["a", "b", "d"])
    for labels in ("C S", "C I S"):
        assert judge.reference(row("a sil b", None, labels)) is not None
    assert judge.reference(row("a b", "a b", "C S")) is not None  # "mostly like b, but wrong"
    two = task(TWO, inventory=["a", "b", "d"])
    reference = two.reference(row("a sil b", "a d b", "C I C"))  # an insertion is incorrect too
    assert reference is not None
    binary = two.reference(row("a b", "a d", "C E"))
    assert binary is not None and binary["labels"] == ["C", "I"]


def test_labels_may_skip_silence() -> None:
    reference = task().reference(row(CANONICAL, PERCEIVED, "S C S C C D C C C C C I"))
    assert reference is not None
    assert len(reference["labels"]) == len(reference["canonical"]) == len(reference["perceived"]) == 12
    assert reference["canonical"][-1] == "sil" and reference["perceived"][-1] == "uh"


def test_labels_that_are_not_learnt_are_not_checked() -> None:
    assert task(TWO, task="phoneme").reference(row("ah b", "ah d", "C S")) is not None
    assert task(task="error").reference(row("AH0 b", "AH0 d", "C S")) is not None


def test_spelling_is_folded_only_if_set() -> None:
    utterance = row("AH0 T SIL", "AH0 D IY1", "C S I")
    with pytest.raises(TaskError, match=r"phone 'AH0' .*fold=\[case, stress\] reads it as 'ah'"):
        task().targets(utterance)
    reference = task(fold=["case", "stress"]).reference(utterance)
    assert reference is not None and reference["phones"] == ["ah", "d", "iy"]
    assert reference["canonical"] == ["ah", "t", "sil"]
    assert fold_phone("IY1", ("stress",)) == "IY"


def test_korean_phones_work() -> None:
    judge = task(TWO, inventory="korean", gap="*")
    utterance = row("G A M * D A", "GG A M S D *", "I C C I C I")
    (rates,) = [judge.score([judged(judge, utterance, "GG A M S D", "I C C I C I")])]
    assert rates["per"] == 0.0 and rates["error_f1"] == rates["mdd_f1"] == rates["error_acc"] == 1.0
    assert judge.outputs[0].labels[-1] == "*"
    with pytest.raises(TaskError, match="phone 'sil' is not in the label set"):
        judge.targets(row("G sil", "G A", "C I"))


# Numbers.


def test_word_boundaries_are_not_phones() -> None:
    """A row that `phoneme` learns from too; with the boundary in the inventory it is a phone too."""
    row = Utterance(id="a", audio="a.wav", duration_s=1.0, phones=("G", "A", "|", "N", "A"))
    korean = MispronunciationConfig(
        task="phoneme", labels="correct-substituted-deleted-inserted", inventory="korean"
    )
    (target,) = MispronunciationTask(korean).targets(row).values()
    assert target is not None and len(target) == 4
    with_boundary = korean.model_copy(update={"inventory": ("G", "A", "N", "|")})
    (target,) = MispronunciationTask(with_boundary).targets(row).values()
    assert target is not None and len(target) == 5


def test_rates_of_the_worked_example() -> None:
    """kaldi: TA 7, FR 1, FA 2, CD 1, DE 1; phones: s→t, s→z, +k, +ah, −uh over 12."""
    judge = task()
    rates = judge.score([judged(judge, row(CANONICAL, PERCEIVED, LABELS), RECOGNISED, LABELS)])
    assert rates["mdd_precision"] == pytest.approx(2 / 3)
    assert rates["mdd_recall"] == pytest.approx(0.5)
    assert rates["mdd_f1"] == pytest.approx(4 / 7)
    assert rates["mdd_false_rejection_rate"] == pytest.approx(1 / 8)
    assert rates["mdd_diagnosis_error_rate"] == pytest.approx(1 / 2)
    assert rates["mdd_detection_accuracy"] == pytest.approx(0.75)
    assert rates["mdd_extra_insertions"] == pytest.approx(2 / 11)  # k and ah over the perceived phones
    assert rates["per"] == pytest.approx(5 / 11)
    assert rates["error_acc"] == rates["error_f1"] == 1.0


def test_rates_of_an_output_that_is_not_trained_are_absent() -> None:
    phones, labels = task(task="phoneme"), task(task="error")
    assert not [name for name in phones.rates({}) if name.startswith("error")]
    assert {name.split("_")[0] for name in labels.rates({})} == {"error"}
    assert phones.primary_metric == ("mdd_f1", True)
    assert labels.primary_metric == task().primary_metric == ("error_f1", True)
    assert set(phones.widest().rates({})) == set(task().rates({})) == set(labels.widest().rates({}))


def test_better_direction_of_each_rate() -> None:
    judge = task()
    worse = {name for name in judge.rates({}) if not judge.higher_is_better(name)}
    assert worse == {
        "per", "per_substitutions", "per_deletions", "per_insertions", "mdd_extra_insertions",
        "mdd_false_rejection_rate", "mdd_diagnosis_error_rate", "error_ler", "error_ser",
    }  # fmt: skip


def test_only_speakers_with_errors_contribute_to_f1() -> None:
    judge = task()
    flawless = judge.count(judged(judge, row("ah b", "ah b", "C C"), "ah d", "C S"))
    contributes = judge.contributes(flawless)
    assert not any(
        contributes[f"{part}_{n}"] for part in ("error", "mdd") for n in ("f1", "precision", "recall")
    )
    assert judge.rates(flawless)["error_precision"] == 0.0  # a number, but of false alarms alone
    assert contributes["per"] and contributes["error_acc"]
    erring = judge.contributes(judge.count(judged(judge, row("ah b", "ah d", "C S"), "ah b", "C C")))
    assert erring["error_f1"] and erring["mdd_f1"] and erring["mdd_recall"]


def test_always_correct_is_offered_as_a_baseline() -> None:
    judge = task()
    pairs = [judged(judge, row("ah b t", "ah d t", "C S C"), "ah d t", "C S C")] * 3
    by_name = {name: baseline.rates for name, baseline in baselines(judge, pairs).items()}
    assert set(by_name) == {"empty", "always-correct"}
    always = by_name["always-correct"]
    assert always["error_acc"] == pytest.approx(2 / 3)
    assert always["error_f1"] == 0.0
    assert always["per"] == pytest.approx(1 / 3)
    assert math.isnan(always["mdd_f1"]) and always["mdd_recall"] == 0.0
    labels = task(task="error")
    pairs = [judged(labels, row(None, None, "C S C"), labels="C S C")]
    assert baselines(labels, pairs)["always-correct"].rates["error_acc"] == pytest.approx(2 / 3)


def test_report_counts_who_makes_errors() -> None:
    judge = task()
    wrong, right = row("ah b t", "ah d t", "C S C"), row("ah b", "ah b", "C C")
    pairs = [judged(judge, wrong, "ah b t", "C C C", speaker="s1")] * 6
    pairs += [judged(judge, wrong, "ah d t", "C S C", speaker=f"s{n}") for n in (2, 3, 4, 5)]
    pairs += [judged(judge, right, "ah b", "C S", speaker=f"t{n}") for n in range(7)]
    section = judge.report(pairs)
    tables = {table.title: table for table in section.tables}
    who = dict(tables["Who makes errors"].rows)
    assert (
        who["speakers"] == "12" and who["speakers with at least one error"] == "5" and who["errors"] == "10"
    )
    assert who["share of the 3 speakers with the most errors"] == "80.0 %"  # 6 + 1 + 1 of 10
    assert tables["Errors by speaker"].rows[0] == ("s1", 6, 18, 1 / 3)
    labels = {line[0]: line[1:] for line in tables["Labels"].rows}
    assert labels["S"] == (10, 11, 4, 4, 4 / 11, 4 / 10)
    phones = {line[0]: line[1:] for line in tables["Errors by expected phone, most mistakes first"].rows}
    assert phones["b"] == (17, 10, 4, 6, 7)
    protocols = {line[0]: line[1:7] for line in tables["Mispronunciations from the phones"].rows}
    assert protocols["kaldi"] == (34, 0, 6, 4, 0, 0)
    assert section.alignments[0].id == "u"
    assert judge.report([]).title == "Mispronunciation"


# Real annotations.


def utterances(file: Path) -> list[Utterance]:
    rows = json.loads(file.read_text(encoding="utf-8"))
    return [
        Utterance(
            id=key,
            audio=line["wav"],
            duration_s=float(line["duration"]),
            speaker=line["spk_id"],
            canonical=tuple(line["canonical_aligned"].split()),
            perceived=tuple(line["perceived_aligned"].split()),
            phones=tuple(line["perceived_train_target"].split()),
            error_labels=tuple(line["error_labels"].split()),
        )
        for key, line in rows.items()
    ]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("l2arctic_labels_text/train_data.json", {"C": 47719, "S": 5991, "D": 1613, "I": 463}),
        ("l2arctic_labels_text/val_data.json", {"C": 9648, "S": 845, "D": 158, "I": 75}),
        ("l2arctic_labels_text/eval.json", {"C": 18658, "S": 2248, "D": 774, "I": 184}),
        ("speechocean762/train_data.json", {"C": 3476, "S": 120, "D": 72, "I": 5}),
        ("speechocean762/val_data.json", {"C": 1232, "S": 45, "D": 11, "I": 4}),
        ("speechocean762_train/train_data.json", {"C": 12061, "S": 1378, "D": 0, "I": 46}),
    ],
)
def test_published_totals_of_real_corpora(shared_data: Path, file: str, expected: dict[str, int]) -> None:
    judge = task()
    totals = dict.fromkeys("CSDI", 0)
    for utterance in utterances(shared_data / file):
        reference = judge.reference(utterance)
        assert reference is not None
        assert judge.targets(utterance)["phoneme"] is not None
        for label in reference["labels"]:
            totals[label] += 1
    assert totals == expected


def test_four_letter_corpus_is_refused_under_the_two_letter_scheme(shared_data: Path) -> None:
    judge = task(TWO)
    for utterance in utterances(shared_data / "l2arctic_labels_text" / "val_data.json")[:50]:
        if {"S", "D"} & set(utterance.error_labels or ()):
            with pytest.raises(TaskError, match=f"tasks.mispronunciation.labels={FOUR} if I means insertion"):
                judge.reference(utterance)
        else:
            assert judge.reference(utterance) is not None


@pytest.mark.parametrize("system", ["careful", "noisy"])
def test_counts_and_phone_error_rate_of_the_public_evaluators(shared_data: Path, system: str) -> None:
    content = json.loads((shared_data / "mdd_metrics" / "fixture.json").read_text(encoding="utf-8"))
    judge = task()
    pairs = []
    for line in content["utterances"]:
        utterance = row(line["canonical_aligned"], line["perceived_aligned"], line["error_labels_cdsi"])
        phones = " ".join(phone for phone in line["hyp"][system].split() if phone != "sil")
        pairs.append(judged(judge, utterance, phones, line["error_labels_cdsi"]))
    expected = content["expected"][system]
    rates = judge.score(pairs)
    kaldi, per = expected["kaldi_cageyoko"], expected["per_kaldi_perceived_vs_hyp"]
    for ours, theirs in (("mdd_precision", "precision"), ("mdd_recall", "recall")):
        assert rates[ours] == pytest.approx(kaldi[theirs], abs=1e-9)
    assert rates["mdd_f1"] == pytest.approx({"careful": 0.7211, "noisy": 0.6106}[system], abs=5e-5)
    assert rates["per"] == pytest.approx(per["errors"] / per["ref_tokens"])
    assert rates["error_f1"] == 1.0
    mpl = next(t for t in judge.report(pairs).tables if t.title.startswith("Mispronunciations")).rows[1]
    corrected = expected["mpl_trailing_insertion_corrected"]["totals"]
    assert mpl[:6] == (
        "mpl",
        corrected["TA"],
        corrected["FR"],
        corrected["FA"],
        corrected["CD"],
        corrected["ED"],
    )


def test_two_letter_labels_of_the_fixture_are_accepted(shared_data: Path) -> None:
    content = json.loads((shared_data / "mdd_metrics" / "fixture.json").read_text(encoding="utf-8"))
    for line in content["utterances"]:
        two = task(TWO).reference(
            row(line["canonical_aligned"], line["perceived_aligned"], line["error_labels"])
        )
        assert two is not None and two["labels"] == line["error_labels"].split()


def test_phone_output_can_have_another_name() -> None:
    """Beside a task of another language whose output is called `phoneme`."""
    judge = task(phoneme_output="english", task="phoneme")
    (output,) = judge.outputs
    assert output.name == "english"
    utterance = row("dh ah", "d ah")
    target = judge.targets(utterance)["english"]
    assert target is not None and [output.labels[n] for n in target] == ["d", "ah"]
    prediction = judge.decode({"english": spelt(["d", "ah"], output)})
    assert prediction.fields["phones"] == ["d", "ah"]


def test_rows_in_another_language_are_ignored() -> None:
    judge = task(language="en")
    korean = row(None, None, language="ko", phones=("G", "A"))
    assert judge.targets(korean) == {"phoneme": None, "error": None}
    assert judge.reference(korean) is None
    english = judge.targets(row("dh ah", "d ah", "S C", language="en"))
    assert english["phoneme"] is not None and english["error"] is not None
    for tag in ("en-US", "ENG", "English", None):
        assert judge.targets(row("dh ah", "d ah", "S C", language=tag))["error"] is not None
    assert judge.missing_label_reason(korean) == "its language is 'ko', wanted is 'en'"
    assert judge.missing_label_reason(row("dh ah", "d ah", "S C", language="en-GB")) is None


def test_accented_phones_match_the_inventory_in_either_spelling() -> None:
    decomposed = MispronunciationTask(
        MispronunciationConfig(labels="correct-incorrect", inventory=("a\u0303", "b"), task="phoneme")
    )
    for nasal in ("\u00e3", "a\u0303"):
        row = Utterance(id="a", audio="a.wav", duration_s=1.0, canonical=("b", nasal), perceived=("b", nasal))
        reference = decomposed.reference(row)
        assert reference is not None
        assert list(reference["phones"]) == ["b", "a\u0303"]

import json

import pytest
import typer
from typer.testing import CliRunner

from soritune.cli.assess import Result, assess
from soritune.errors import SorituneError, TaskError, TextError

APP = typer.Typer()
APP.command()(assess)


def run(*arguments, code=0):
    result = CliRunner().invoke(APP, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def test_printed_words_and_json_lines(unseen, tiny_ko, tmp_path):
    row = next(unseen.utterances())
    file = unseen.audio_path(row)
    output = tmp_path / "answers.jsonl"
    result = run(file, "--text", row.text, "-b", tiny_ko, "--vad", "energy", "-o", output, "--language", "en")
    (answer,) = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert answer["assessable"]
    assert answer["words"][0]["text"] in result.stdout
    assert "not validated on learners" in result.output


def test_other_text_is_not_assessable_and_no_failure(unseen, tiny_ko):
    row = next(unseen.utterances())
    words = row.text.split()
    other = "내일 아침에 비가 올까요?" if len(words) < 5 else "안녕하세요?"
    file = unseen.audio_path(row)
    result = run(file, "--text", other, "-b", tiny_ko, "--vad", "energy", "--language", "en")
    assert "not assessable (unrelated-speech)" in result.stdout


def test_phones_instead_of_a_text(unseen, tiny_ko):
    row = next(row for row in unseen.utterances() if row.phones)
    file = unseen.audio_path(row)
    content = json.loads(run(file, "--phones", " ".join(row.phones), "-b", tiny_ko, "--json").stdout)
    answer = content["answers"][0]
    assert answer["text"] is None
    assert answer["assessable"]
    assert answer["counts"]["phones"] == len([phone for phone in row.phones if phone != "|"])


def test_unreadable_file_ends_with_1(tiny_ko, tmp_path, clip):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF")
    content = json.loads(run(bad, clip("a.wav", 1.0), "--text", "가", "-b", tiny_ko, "--json", code=1).stdout)
    assert content["unreadable"] == 1
    assert [answer["outcome"] == "unreadable-audio" for answer in content["answers"]] == [True, False]


@pytest.fixture
def no_libraries(monkeypatch):
    """Neither the libraries of a model nor its announcement."""

    def refused(*arguments, **options):
        raise AssertionError("the libraries were loaded before the arguments were checked")

    monkeypatch.setattr("soritune.cli.assess.announce", refused)


def test_faulty_arguments_are_refused_before_libraries_are_loaded(clip, tmp_path, no_libraries):
    file = clip("a.wav", 1.0)
    (tmp_path / "t.yaml").write_text("phone_log_probability: 3")
    (tmp_path / "v.tsv").write_text("nonsense")
    with pytest.raises(TaskError, match="phone_log_probability"):
        run(file, "--text", "가", "--thresholds", tmp_path / "t.yaml")
    with pytest.raises(TextError, match="is not a variant"):
        run(file, "--text", "가", "--variants", tmp_path / "v.tsv")
    with pytest.raises(SorituneError, match="there is no such file"):
        run("--manifest", tmp_path / "none.csv")
    with pytest.raises(SorituneError, match="does not exist"):
        run(tmp_path / "none.wav", "--text", "가")
    with pytest.raises(SorituneError, match="the text is empty"):
        run(file, "--text", "")
    with pytest.raises(SorituneError, match="either as --text or as --phones"):
        run(file)
    with pytest.raises(SorituneError, match="--field expects NAME=VALUE"):
        run("--manifest", file, "--field", "speaker")
    with pytest.raises(AssertionError, match="before the arguments"):
        run(file, "--text", "가")  # the check of this test itself


def test_thresholds_with_one_key_and_a_word_variant(unseen, tiny_ko, tmp_path):
    row = next(unseen.utterances())
    (tmp_path / "mine.yaml").write_text("phone_log_probability: -3")
    (tmp_path / "v.tsv").write_text("네가\t니가\n", encoding="utf-8")
    settings = ("--thresholds", tmp_path / "mine.yaml", "--variants", tmp_path / "v.tsv")
    file = unseen.audio_path(row)
    content = json.loads(run(file, "--text", row.text, "-b", tiny_ko, "--json", *settings).stdout)
    thresholds = content["answers"][0]["thresholds"]
    assert (thresholds["name"], thresholds["phone_log_probability"]) == ("mine", -3)
    assert thresholds["insertion_log_ratio"] == 9.0


def test_chosen_thresholds_are_written_and_used(unseen, tiny_ko, tmp_path):
    manifest = unseen.root / "manifest.parquet"
    chosen = tmp_path / "mine.yaml"
    result = run("--manifest", manifest, "-b", tiny_ko, "--choose-thresholds", chosen)
    assert "of right texts accepted" in result.stdout
    row = next(unseen.utterances())
    content = json.loads(
        run(
            unseen.audio_path(row), "--text", row.text, "-b", tiny_ko, "--thresholds", chosen, "--json"
        ).stdout
    )
    assert content["answers"][0]["thresholds"]["name"] == "mine"


def test_options_that_do_not_act_are_refused(clip, tmp_path):
    file = clip("a.wav", 1.0)
    with pytest.raises(SorituneError, match="--choose-thresholds needs --manifest"):
        run(file, "--text", "가", "--choose-thresholds", tmp_path / "t.yaml")
    with pytest.raises(SorituneError, match="--language has no effect with --json and without --html"):
        run(file, "--text", "가", "--language", "en", "--json")
    with pytest.raises(SorituneError, match="--field has no effect without --manifest"):
        run(file, "--text", "가", "--field", "speaker=학생")
    with pytest.raises(SorituneError, match="--html has no effect with --choose-thresholds"):
        run(
            "--manifest",
            tmp_path / "m.jsonl",
            "--choose-thresholds",
            tmp_path / "t.yaml",
            "--html",
            tmp_path / "p.html",
        )


def test_page_of_a_clip_has_its_sound(unseen, tiny_ko, tmp_path):
    row = next(unseen.utterances())
    page = tmp_path / "page.html"
    result = run(
        unseen.audio_path(row), "--text", row.text, "-b", tiny_ko, "--html", page, "--language", "en"
    )
    assert "page.html" in result.stdout
    text = page.read_text(encoding="utf-8")
    assert "data:audio/flac;base64," in text
    assert "Practise first" in text


def test_pages_of_a_class(unseen, tiny_ko, tmp_path):
    page = tmp_path / "class.html"
    result = run("--manifest", unseen.root / "manifest.parquet", "-b", tiny_ko, "--html", page, "--json")
    content = json.loads(result.stdout)
    speakers = {answer["speaker"] for answer in content["answers"]}
    assert len(speakers) > 1
    assert len(list((tmp_path / "class").glob("*.html"))) == len(speakers)


def test_table_of_a_class(unseen, tiny_ko, tmp_path):
    """Columns are found and stated, and every learner has a page."""
    rows = list(unseen.utterances())[:3]
    table = tmp_path / "명단.csv"
    lines = [
        f'{name},{unseen.audio_path(row)},"{row.text}",x'
        for name, row in zip(("민수", "지은", "민수"), rows, strict=True)
    ]
    table.write_bytes(("학생,파일,문장,비고\r\n" + "\r\n".join(lines)).encode("cp949"))
    page = tmp_path / "반.html"
    result = run("--manifest", table, "-b", tiny_ko, "--vad", "energy", "--html", page)
    assert "학생 → speaker" in result.stderr
    assert "쓰지 않은 열: 비고" in result.stderr
    assert {path.name for path in (tmp_path / "반").iterdir()} == {"민수.html", "지은.html"}
    table.write_bytes(("반번호,파일,문장\r\n" + "\r\n".join(line[:-2] for line in lines)).encode("cp949"))
    result = run("--manifest", table, "-b", tiny_ko, "--vad", "energy", "--html", page, "--language", "en")
    assert "no row has a speaker" in result.stderr
    result = run("--manifest", table, "-b", tiny_ko, "--field", "speaker=반번호", "--json")
    assert [each["speaker"] for each in json.loads(result.stdout)["answers"]] == ["민수", "지은", "민수"]


def test_no_clip_is_dropped_without_a_word(capsys, tmp_path):
    """Answers are printed as they come; those that a file has are counted, and what failed is listed."""

    def answer(number):
        is_good = number % 3 != 0
        return {
            "id": f"{number}.wav",
            "outcome": "assessed" if is_good else "too-quiet",
            "assessable": is_good,
            "reason_text": None if is_good else {"ko": "작음", "en": "quiet"},
            "warnings": [],
            "words": [],
            "insertions": [],
            "advice": None,
        }

    def output_of(file, count):
        result = Result("en", False, file)
        for number in range(count):
            result.add(answer(number))
            if number == 0:
                assert "0.wav" in capsys.readouterr().out
        result.close(None, 0)
        return capsys.readouterr().out

    printed = output_of(tmp_path / "a.jsonl", 24)
    assert f"4 more in {tmp_path / 'a.jsonl'}" in printed
    assert "16 of 24 recordings assessed" in printed
    assert printed.rstrip().count("(too-quiet): quiet") == 6 + 8
    assert "  21.wav: not assessable (too-quiet): quiet" in printed
    printed = output_of(None, 24)
    assert "more in" not in printed
    assert all(f"{number}.wav" in printed for number in range(1, 24))

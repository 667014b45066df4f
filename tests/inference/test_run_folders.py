import pytest

from soritune.errors import BundleError, UnknownNameError
from soritune.inference.run_folders import bundle_names, choose_bundle, is_run


@pytest.fixture
def run(fakes, tmp_path):
    for name in ("best_loss", "last", "best_emotion_ua"):
        fakes.make_bundle(tmp_path / "run" / "bundles" / name, [fakes.emotion_task()])
    return tmp_path / "run"


def test_a_run_gives_its_best_by_metric_unless_named(run):
    assert is_run(run)
    assert bundle_names(run) == ["best_emotion_ua", "best_loss", "last"]
    assert choose_bundle(run).name == "best_emotion_ua"
    assert choose_bundle(run, "last").name == "last"


def test_without_a_best_by_metric_the_loss_decides(fakes, tmp_path):
    for name in ("best_loss", "best_phoneme_per", "last"):
        fakes.make_bundle(tmp_path / "bundles" / name, [fakes.emotion_task()])
    assert choose_bundle(tmp_path, "best").name == "best_loss"


def test_unknown_checkpoint_names_the_known(run):
    with pytest.raises(UnknownNameError, match="best_loss, last; did you mean 'last'"):
        choose_bundle(run, "lasst")


def test_a_bundle_is_itself(run):
    bundle = run / "bundles" / "last"
    assert choose_bundle(bundle) == bundle
    assert not is_run(bundle)
    with pytest.raises(BundleError, match="single bundle"):
        choose_bundle(bundle, "last")


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(BundleError, match="is no model"):
        choose_bundle(tmp_path)
    with pytest.raises(BundleError, match="is not there"):
        choose_bundle(tmp_path / "gone")
    (tmp_path / "run" / "bundles").mkdir(parents=True)
    with pytest.raises(BundleError, match="no finished bundle"):
        choose_bundle(tmp_path / "run")

from soritune.bundles.read import load_bundle
from soritune.export.exporter import PACKAGE, Exported, longest_clip
from soritune.registry import members
from soritune.settings import Settings


def test_every_member_fulfils_the_contract() -> None:
    exporters = members(PACKAGE, "EXPORTER")
    assert {"onnx", "sherpa"} <= set(exporters)
    for exporter in exporters.values():
        assert issubclass(exporter.settings, Settings)
        assert callable(exporter.write)
        # Every setting has a default: an export without options is complete.
        exporter.settings()


def test_result_without_facts_is_empty() -> None:
    assert Exported() == Exported({}, ())


def test_page_states_the_longest_clip_of_whisper() -> None:
    ko_base, tiny_ko = (load_bundle(f"soritune/{name}").geometry for name in ("ko-base", "tiny-ko"))
    assert "clips up to 29.5 s" in longest_clip(ko_base)
    assert longest_clip(tiny_ko) == ""

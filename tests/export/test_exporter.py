from soritune.export.exporter import PACKAGE, Exported
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

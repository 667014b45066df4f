"""The import table is data: each room may import from soritune only what stands beside it, and torch below the line."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "soritune"

EVERYWHERE = {
    "errors",
    "extras",
    "registry",
    "settings",
    "processes",
    "progress",
    "terminal_text",
    "whole_file",
    "draws",
    "geometry",
    "host_memory",
    "hub",
    "identities",
    "inside_folder",
    "notebook_display",
    "part_file",
    "ray_engine",
    "strict_json",
}
"""The ground: files without a subject of their own, open to all rooms."""
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "extras": {"errors"},
    "registry": {"errors", "extras"},
    "settings": {"errors"},
    "processes": {"errors"},
    "progress": {"notebook_display", "processes", "terminal_text"},
    "notebook_display": set(),
    "inside_folder": {"errors"},
    "part_file": {"strict_json", "whole_file"},
    "ray_engine": {"errors", "extras", "processes"},
    "strict_json": set(),
    "terminal_text": set(),
    "whole_file": {"errors"},
    "draws": set(),
    "geometry": set(),
    "host_memory": set(),
    "hub": {"errors"},
    "identities": set(),
    "korean": set(),
    "audio": {"korean"},
    "metrics": set(),
    "corpus": {"audio", "korean"},
    "tasks": {"assessment", "corpus", "korean", "metrics"},
    "assessment": {"audio", "korean"},
    "bundles": {"tasks"},
    "run_folder": {"bundles", "corpus"},
    "inference": {"assessment", "audio", "bundles", "korean", "run_folder", "tasks"},
    "reports": {"audio", "bundles", "inference", "metrics", "run_folder", "tasks"},
    "models": {"assessment", "bundles", "tasks"},
    "export": {
        "",
        "audio",
        "bundles",
        "corpus",
        "inference",
        "models",
        "reports",
        "run_folder",
        "serving",
        "tasks",
    },
    "training": {"audio", "bundles", "corpus", "models", "run_folder", "tasks"},
    "idle_keys": {"tasks"},
    "recipe": {"audio", "corpus", "idle_keys", "models", "tasks", "training"},
    "recipes": set(),
    "stages": {
        "assessment",
        "audio",
        "bundles",
        "corpus",
        "export",
        "idle_keys",
        "inference",
        "metrics",
        "models",
        "recipe",
        "reports",
        "run_folder",
        "tasks",
        "training",
    },
    "testing": {"tasks"},
    "doctor": {"", "reports"},
    "serving": {"", "assessment", "audio", "bundles", "inference", "korean", "run_folder", "tasks"},
    "cli": {
        "",
        "assessment",
        "audio",
        "bundles",
        "corpus",
        "doctor",
        "inference",
        "korean",
        "models",
        "recipe",
        "reports",
        "run_folder",
        "serving",
        "stages",
        "tasks",
        "training",
    },
    "__main__": {"cli"},
}
"""Room (file or folder) to the rooms it imports from, beside itself and `EVERYWHERE`. "" is the package itself."""

ALSO = {"inference/backends/pytorch.py": {"models"}}
TORCH_ROOMS = {"export", "models", "training", "stages", "testing"}
TORCH_FILES = {
    "doctor/machine.py",
    "inference/backends/pytorch.py",
    "tasks/inputs/tokenizer_conversion.py",
}
"""The first one asks torch for its devices if it is installed. The last one imports transformers for a training, from
a text encoder without `tokenizer.json`; never torch."""
TORCH_FREE_FILES = {
    "export/exporter.py",
    "export/hub.py",
    "export/int8.py",
    "export/judged_int8.py",
    "export/sagemaker.py",
    "export/sagemaker_deploy.py",
    "export/tensorrt.py",
    "export/tokens.py",
    "models/config.py",
    "training/batches/config.py",
    "training/batches/plan.py",
    "training/config.py",
    "training/end_reason.py",
    "training/phases.py",
    "training/run_progress.py",
    "training/selection.py",
    "training/trackers.py",
    "training/tracking/shared_api.py",
    "training/tracking/tracker.py",
    "training/tracking/trackio.py",
    "training/tracking/wandb.py",
    "stages/prepare.py",
    "stages/push_to_hub.py",
    "stages/check.py",
    "stages/check_report.py",
    "stages/row_problems.py",
    "stages/split.py",
    "stages/start.py",
    "stages/origin.py",
    "stages/align.py",
    "stages/assess.py",
    "stages/assessment_thresholds.py",
    "stages/cluster_prediction.py",
    "stages/cluster_transcription.py",
    "stages/predict.py",
    "stages/evaluate.py",
    "stages/calibrate.py",
    "stages/judged.py",
    "stages/judged_data.py",
}
TORCH = {"torch", "transformers", "peft", "accelerate"}
NEVER = {"torchaudio", "torchcodec", "speechbrain", "pyctcdecode", "evaluate", "librosa", "datasets"}
DRAWERS = {"utils", "util", "common", "helpers", "core", "misc", "base", "manager"}


OF_FAMILIES = re.compile(
    "wav2vec2?|hubert|wavlm|whisper|conv_kernel|conv_stride|conv_layers|feature_extractor(?!_type)|feature_projection|"
    "feat_extract|feat_proj|pos_conv|masked_spec_embed|do_stable_layer_norm|final_dropout|hidden_dropout|"
    "activation_dropout|attention_dropout|classifier_proj_size|use_weighted_layer_sum|num_hidden_layers|"
    r"[qkv]_proj|out_proj|lm_head|encoder_layers|\bd_model\b",
    re.IGNORECASE,
)
"""Names of encoder families, of their modules in transformers and of keys of their configurations."""
MAY_NAME_FAMILIES = ("models/encoders/", "testing.py", "inference/recognition/ctranslate2.py")
"""`testing.py` makes a toy of each family; the library of the recogniser has the name of one."""
MAY_NAME_ALSO = {
    "models/hub_names.py": ("lm_head.weight", "lm_head.bias"),
    "bundles/read.py": ("conv_kernel", "conv_stride"),
    "extras.py": ("faster_whisper",),
    "models/inputs/text_weights.py": ("num_hidden_layers",),
    "export/sherpa.py": ("wav2vec2-ctc",),
}
"""Heads of transformers that all families share; keys of cards of the first schema, which are converted; the library
of a recogniser; the depth of a text encoder, for which transformers has one name; a type of onnx-asr's models, whatever
their encoder is."""


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def room_of(path: Path) -> str:
    relative = path.relative_to(SOURCE)
    return (
        ""
        if relative.name == "__init__.py" and len(relative.parts) == 1
        else relative.parts[0].removesuffix(".py")
    )


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} relative import"
            module = str(node.module)
            if module == "soritune":
                for alias in node.names:
                    is_room = (SOURCE / alias.name).is_dir() or (SOURCE / f"{alias.name}.py").exists()
                    yield node.lineno, f"soritune.{alias.name}" if is_room else "soritune"
            else:
                yield node.lineno, module


def test_every_room_is_in_the_table_and_every_entry_exists() -> None:
    rooms = {room_of(path) for path in files()} - {""}
    assert rooms == set(MAY_IMPORT), rooms ^ set(MAY_IMPORT)


def test_rooms_import_only_what_the_table_allows() -> None:
    faults = []
    for path in files():
        room, relative = room_of(path), path.relative_to(SOURCE).as_posix()
        allowed = MAY_IMPORT.get(room, set()) | EVERYWHERE | {room} | ALSO.get(relative, set())
        for line, module in imports_of(path):
            if module == "soritune" or module.startswith("soritune."):
                target = [*module.split("."), ""][1]
                if target not in allowed and room:
                    faults.append(f"{relative}:{line} {room} imports {module}")
    assert not faults, "\n".join(faults)


def test_no_arrow_of_the_table_is_unused() -> None:
    used: dict[str, set[str]] = {room: set() for room in MAY_IMPORT}
    by_file: dict[str, set[str]] = {}
    for path in files():
        targets = {
            [*module.split("."), ""][1]
            for _, module in imports_of(path)
            if module == "soritune" or module.startswith("soritune.")
        }
        relative = path.relative_to(SOURCE).as_posix()
        by_file[relative] = targets
        if room_of(path):
            used[room_of(path)] |= targets - ALSO.get(relative, set())
    unused = {room: allowed - used[room] for room, allowed in MAY_IMPORT.items()}
    assert {room: arrows for room, arrows in unused.items() if arrows} == {}
    assert {file: also - by_file[file] for file, also in ALSO.items() if also - by_file[file]} == {}


def test_torch_only_below_the_line() -> None:
    faults = []
    for path in files():
        relative = path.relative_to(SOURCE).as_posix()
        allowed = (
            room_of(path) in TORCH_ROOMS or relative in TORCH_FILES
        ) and relative not in TORCH_FREE_FILES
        for line, module in imports_of(path):
            top = module.split(".")[0]
            if (top in TORCH and not allowed) or top in NEVER:
                faults.append(f"{relative}:{line} imports {module}")
    assert not faults, "\n".join(faults)


def names_and_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Identifiers, attributes, keyword arguments and strings of a file; not its docstrings."""
    tree = parsed(path)
    documented = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.arg | ast.keyword):
            yield node.lineno, node.arg or ""
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            yield node.lineno, node.value


def test_families_of_encoders_are_named_in_their_own_folder_alone() -> None:
    faults = []
    for path in files():
        relative = path.relative_to(SOURCE).as_posix()
        if relative.startswith(MAY_NAME_FAMILIES):
            continue
        for line, text in names_and_texts(path):
            match = OF_FAMILIES.search(text)
            if match and text not in MAY_NAME_ALSO.get(relative, ()):
                faults.append(f"{relative}:{line} {match.group()} in {text[:60]!r}")
    assert not faults, "\n".join(faults)


def cycles(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of files that import each other, directly or through others (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(imports.get(node, ())):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                groups.append(sorted(group))

    for node in sorted(imports):
        if node not in index:
            visit(node)
    return groups


def file_imports() -> dict[str, set[str]]:
    """Module to the modules of soritune it imports anywhere, under `TYPE_CHECKING` and in functions too."""
    modules = {
        ".".join(("soritune", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): path
        for path in files()
    }
    imports: dict[str, set[str]] = {}
    for module, path in modules.items():
        targets = set()
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ImportFrom) and node.module:
                full = {f"{node.module}.{alias.name}" for alias in node.names}
                targets |= {target if target in modules else node.module for target in full}
        imports[module] = {target for target in targets if target in modules} - {module}
    return imports


def test_cycles_are_found() -> None:
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}) == [["a", "b", "c"]]
    assert cycles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_cycle_between_files() -> None:
    imports = file_imports()
    assert len(imports) > 200
    assert cycles(imports) == []


PREDICTIONS_FORMAT = {
    f"soritune.inference.{name}" for name in ("predictions", "header", "json_values", "segments")
}
"""The files of `inference` that describe what it writes, and load no model."""


def reachable(imports: Mapping[str, set[str]], starts: set[str]) -> set[str]:
    """The modules that `starts` import, directly or through others."""
    reached: set[str] = set()
    waiting = list(starts)
    while waiting:
        for target in imports.get(waiting.pop(), set()) - reached:
            reached.add(target)
            waiting.append(target)
    return reached


def test_reports_load_no_model() -> None:
    """Neither directly nor through another file: they read what predictors wrote."""
    imports = file_imports()
    reports = {module for module in imports if module.startswith("soritune.reports.")}
    of_inference = {module for module in reachable(imports, reports) if ".inference." in module}
    assert of_inference == PREDICTIONS_FORMAT
    assert "soritune.inference.backends.backend" in reachable(imports, {"soritune.inference.predictor"})


def test_no_import_upwards_inside_a_room() -> None:
    """A folder counts as one with the files beside it: neither may import the other in both directions."""
    faults = []
    imports = file_imports()
    for folder in sorted({path.parent for path in files()}):
        package = ".".join(("soritune", *folder.relative_to(SOURCE).parts))
        prefix = package + "."
        beside: dict[str, set[str]] = {}
        for module, targets in imports.items():
            if module.startswith(prefix):
                own = module.removeprefix(prefix).split(".")[0]
                names = {
                    target.removeprefix(prefix).split(".")[0]
                    for target in targets
                    if target.startswith(prefix)
                }
                beside[own] = beside.get(own, set()) | (names - {own})
        faults += [(package, group) for group in cycles(beside)]
    assert faults == []


def test_import_linter_agrees() -> None:
    """A tool that others keep, with the contracts of pyproject.toml; imports under TYPE_CHECKING count."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as run; run()",
            "--no-cache",
        ],
        cwd=SOURCE.parent.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Contracts: [1-9]\d* kept, 0 broken", done.stdout)


OBJECTIVE_FOLDERS = ("tasks/objectives/", "models/losses/")


def deciding_parts(node: ast.AST) -> list[ast.AST]:
    """What a piece of code decides by: both sides of a comparison, the key of a look-up, the cases of a match."""
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators]
    if isinstance(node, ast.Subscript):
        return [node.slice]
    if isinstance(node, ast.Match):
        return [node.subject, *(case.pattern for case in node.cases)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in ("startswith", "endswith", "__eq__"):
            return [node.func.value, *node.args]
        return list(node.args) if node.func.attr == "get" else []
    return []


def objective_comparisons(source: str, names: set[str]) -> list[int]:
    """Lines that decide by an output's objective or resolution, or compare with a literal name of an objective."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        parts = [part for decided in deciding_parts(node) for part in ast.walk(decided)]
        # `kind` is the kind of a head of transformers, of which one is called "ctc" too.
        if any(isinstance(part, ast.Name) and part.id == "kind" for part in parts):
            continue
        if any(
            (isinstance(part, ast.Attribute) and part.attr in ("objective", "resolution"))
            or (
                isinstance(part, ast.Constant) and part.value in names and not isinstance(node, ast.Subscript)
            )
            for part in parts
        ):
            lines.append(node.lineno)  # type: ignore[attr-defined]
    return lines


@pytest.mark.parametrize(
    "code",
    [
        'spec.objective == "x"',
        "a.objective != b.objective",
        'spec.objective in ("x", "y")',
        'name == "ctc"',
        "HEADS[spec.objective]",
        "HEADS.get(spec.objective)",
        'spec.resolution == "frame"',
        'match spec.objective:\n    case "x": pass',
        'match name:\n    case "ctc": pass',
        'spec.objective.startswith("c")',
    ],
)
def test_the_search_finds_decisions_by_an_objective(code: str) -> None:
    assert objective_comparisons(code, {"ctc"})


def test_objectives_are_compared_in_their_own_folders_only() -> None:
    """An output's objective decides through its members; its resolution through `OutputSpec.per_frame`."""
    from soritune.registry import members

    names = {name.replace("-", "_") for name in members("soritune.tasks.objectives", "OBJECTIVE")}
    faults = []
    for path in files():
        relative = path.relative_to(SOURCE).as_posix()
        if not relative.startswith(OBJECTIVE_FOLDERS) and relative != "tasks/specs.py":
            lines = objective_comparisons(path.read_text(encoding="utf-8"), names)
            faults += [f"{relative}:{line}" for line in lines]
    assert not faults, faults
    per_frame = objective_comparisons((SOURCE / "tasks/specs.py").read_text(encoding="utf-8"), names)
    assert len(per_frame) == 1  # `OutputSpec.per_frame` itself


def test_no_drawers() -> None:
    assert not [path for path in SOURCE.rglob("*") if path.stem in DRAWERS]


def test_torch_free_rooms_load_no_torch() -> None:
    free = [
        "corpus.manifest",
        "corpus.splitting.splits",
        "corpus.checks",
        "corpus.prepare",
        "tasks.emotion",
        "tasks.phoneme",
        "tasks.objectives.objective",
        "bundles.write",
    ]
    free += [
        "inference.predictor",
        "serving.app",
        "serving.server",
        "reports.score",
        "reports.report",
        "recipe",
        "stages.split",
        "stages.predict",
        "stages.evaluate",
        "stages.align",
        "stages.assess",
        "processes",
        "cli.main",
    ]
    code = "import sys\n" + "".join(f"import soritune.{name}\n" for name in free)
    code += f"print([m for m in {sorted(TORCH)!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "absent",
    [
        "torchaudio",
        "datasets",
        "kiwipiepy",
        "espeakng_loader",
        "av",
        "tensorboard",
        "noisereduce",
        "faster_whisper",
        "praatio",
    ],
)
@pytest.mark.slow
def test_imports_without_extras(absent: str) -> None:
    code = f"import sys; sys.modules[{absent!r}] = None\n"
    code += "import soritune.cli.main, soritune.stages.run, soritune.training.loop, soritune.audio.waveform\n"
    code += "import soritune.korean\n"
    code += "print(soritune.korean.phonemize('한국어'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-800:]
    assert "'H', 'A', 'N', 'G', 'U', 'G', 'EO'" in done.stdout


WITHOUT_TESTS = {
    "__main__.py",  # two lines, run by the tests of several processes
    "corpus/file_names.py",  # five names
    "corpus/sources/source.py",  # the types of a contract; tests/contracts/test_every_source.py runs over its members
    "testing.py",  # toy models of the tests
    "training/end_reason.py",  # four names
    "training/run.py",  # the fields of a training
}


def test_every_source_file_has_a_test_file_at_the_same_place() -> None:
    tests = SOURCE.parent.parent / "tests"
    missing = {
        path.relative_to(SOURCE).as_posix()
        for path in files()
        if path.name != "__init__.py"
        and not (tests / path.relative_to(SOURCE).with_name(f"test_{path.name}")).exists()
    }
    assert missing == WITHOUT_TESTS

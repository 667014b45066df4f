"""A training system as data: the schema of a recipe, the strict loader, and overrides from the command line.

Reading a recipe imports no torch; the configuration classes live beside the code they configure. Next: `stages/run.py`.
"""

from __future__ import annotations

import copy
import importlib.resources
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.mixing import refusals
from soritune.audio.augment.settings import AugmentSettings
from soritune.audio.preprocessing import Preprocessing
from soritune.corpus.splitting.splits import SplitSettings
from soritune.errors import RecipeError, TaskError, TaskSettingsError, UnknownNameError, nearest, reason_of
from soritune.idle_keys import idle_keys, leaves, value_at
from soritune.inside_folder import name_fault
from soritune.models.config import ModelConfig
from soritune.settings import Settings, faults_of, keys_at, yaml_fault
from soritune.tasks.decoding.decoder import GREEDY, make_decoder
from soritune.tasks.mixable import unmixable_parts
from soritune.tasks.objectives.objective import refuse_idle_decoder
from soritune.tasks.task import Task, make_task, task_kind
from soritune.training.batches.config import BatchSettings
from soritune.training.config import TrainingSettings
from soritune.training.phases import resolve_phases

logger = logging.getLogger(__name__)
LITERAL = ("name", "data.root", "model.encoder", "model.init_from")
"""Keys whose override is taken as text: a path may look like a number or contain a #."""


MOST_VALUES = 100_000
"""Of a recipe. A few short lines with aliases of aliases can stand for more values than memory holds."""


class _StrictLoader(yaml.SafeLoader):
    """Refuses a repeated key, of which YAML would silently take the last value, and values that grow by aliases."""

    def get_single_data(self) -> Any:
        node = self.get_single_node()
        if node is not None:
            _expanded_size(node, {})
        return None if node is None else self.construct_document(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.value != "<<"]
        repeated = next((key for key in keys if keys.count(key) > 1), None)
        if repeated is not None:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key '{repeated}' is given twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


def _expanded_size(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Number of values of a YAML node, each alias counted as what it stands for.

    Args:
        node: of a document.
        sizes: of the nodes looked at so far, by identity; 0 while a node is being looked at.

    Raises:
        yaml.constructor.ConstructorError: a value that contains itself, or more than `MOST_VALUES`.
    """
    if id(node) not in sizes:
        sizes[id(node)] = 0
        inside = node.value if isinstance(node, yaml.SequenceNode | yaml.MappingNode) else ()
        parts = [part for entry in inside for part in (entry if isinstance(entry, tuple) else (entry,))]
        sizes[id(node)] = 1 + sum(_expanded_size(part, sizes) for part in parts)
    size = sizes[id(node)]
    if not 0 < size <= MOST_VALUES:
        fault = "a value contains itself" if size == 0 else f"aliases make more than {MOST_VALUES:,} values"
        raise yaml.constructor.ConstructorError(None, None, fault, node.start_mark)
    return size


class DataSettings(Settings):
    """Where the corpus is and how its files become utterances."""

    source: str = "manifest"
    """A reader in `corpus/sources` (`soritune sources` lists them); "auto" chooses by the files at `root`."""
    root: str | None = None
    """The corpus folder (or manifest file); given on the command line as `data=ROOT`."""
    config: dict[str, Any] = Field(default_factory=dict)
    """The reader's own settings: label ranges, field names."""
    licence: str | None = None
    """Licence of the corpus; kept in every bundle trained on it."""
    max_lost_share: float = Field(0.2, ge=0, le=1)
    """A run stops if a larger share of the corpus's rows is in quarantine after they are checked."""
    synthetic: bool = False
    """The speech is made by a synthesiser; every score of the recipe is marked as synthetic."""


class EvaluationSettings(Settings):
    """How the test split is judged."""

    group_by: tuple[str, ...] = ("speaker", "gender")
    """Utterance fields that scores are broken down by."""
    resamples: int = Field(1000, ge=100)
    """Bootstrap samples of the intervals over speakers."""
    checkpoint: str = "best"
    """Bundle judged after training: "best" takes the first task's primary metric, or a bundle's name."""
    audio: bool = True
    """Put audio players into the report."""
    language: Literal["en", "ko"] = "en"
    """Language of the report: English or Korean."""
    phones: Literal["jamo", "ipa", "codes"] | None = None
    """How the report writes phones; null is jamo for Korean phones and codes for others."""
    before: bool = True
    """Judge the weights that the run was given too, so that the report has the scores before and after fine-tuning;
    nothing is judged where all heads are new."""
    calibrate: bool = False
    """Fit a temperature per output with one label, and thresholds of coverage, on the validation split after training;
    the bundle that is judged and the best one store them."""
    decoder: str | dict[str, Any] = GREEDY
    """What reads the CTC outputs after training: a name in `tasks/decoding`, or `{name: …}` with its settings beside
    the name. Validation during training is always greedy, because it is done after every epoch."""

    @property
    def requested_groups(self) -> tuple[str, ...] | None:
        """`group_by` if the recipe states it; None where the default may name fields that no row has."""
        return self.group_by if "group_by" in self.model_fields_set else None


class Alias(Settings):
    """A short name for a key on the command line: one that a reproduced system used."""

    key: str
    """The key it stands for, as `train.precision`."""
    values: dict[bool | int | float | str, Any] | None = None
    """What may be given and what it means, as `{true: auto, false: fp32}`; None takes any value as it is."""

    def meaning(self, value: Any) -> Any:
        """What a value given under this name means.

        Raises:
            ValueError: not one of those it can have.
        """
        if self.values is None:
            return value
        try:
            return copy.deepcopy(self.values[value])
        except (KeyError, TypeError):
            raise ValueError(f"is {value!r}; give one of {', '.join(map(json.dumps, self.values))}") from None


class Aliases(Settings):
    """The part of a recipe that is read before its overrides are."""

    aliases: dict[str, Alias] = Field(default_factory=dict)
    """Short names for overrides: `name: dotted.key`, or `name: {key: …, values: {given: meant}}`."""

    @field_validator("aliases", mode="before")
    @classmethod
    def _short_alias(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return {} if value is None else value
        return {name: {"key": alias} if isinstance(alias, str) else alias for name, alias in value.items()}


class Recipe(Aliases):
    """One training system."""

    name: str
    """What the run and its bundles are called."""
    description: str = ""
    """One line for `soritune recipes`."""
    data: DataSettings = Field(default_factory=DataSettings)
    split: SplitSettings = Field(default_factory=SplitSettings)
    preprocessing: Preprocessing = Field(default_factory=Preprocessing)
    tasks: dict[str, dict[str, Any]]
    """Settings per task, by the task's name; the first is the primary one."""
    model: ModelConfig
    batches: BatchSettings = Field(default_factory=lambda: BatchSettings(batch_size=8))
    augment: AugmentSettings = Field(default_factory=AugmentSettings)
    train: TrainingSettings = Field(default_factory=TrainingSettings)
    evaluate: EvaluationSettings = Field(default_factory=EvaluationSettings)
    presets: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Named sets of overrides, `dotted.key: value`."""

    @field_validator("name")
    @classmethod
    def _name_of_a_folder(cls, value: str) -> str:
        fault = name_fault(value)
        if fault is not None:
            raise ValueError(f"{fault}; the run's folder has this name, so give one without slashes")
        return value

    @field_validator("augment", mode="before")
    @classmethod
    def _null_is_off(cls, value: Any) -> Any:
        return {} if value is None else value

    def make_tasks(self) -> tuple[Task, ...]:
        """The tasks, freshly made.

        Raises:
            UnknownNameError: no such task.
            RecipeError: the settings of a task have faults; all faults of the first such task are named.
        """
        try:
            return tuple(make_task(name, config, f"tasks.{name}") for name, config in self.tasks.items())
        except TaskSettingsError as error:
            raise RecipeError(self.name, error.faults) from None

    def resolved(self) -> dict[str, Any]:
        """The settings as plain data without presets and aliases, as bundles keep them and resuming compares them."""
        return json.loads(self.model_dump_json(exclude={"presets", "aliases"}))  # type: ignore[no-any-return]


def recipe_names() -> list[str]:
    """Names of the recipes in the package."""
    folder = importlib.resources.files("soritune.recipes")
    return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))


def recipe_text(name: str) -> str:
    """Text of a recipe by name, or of a YAML file by path.

    Raises:
        UnknownNameError: neither a recipe nor a file.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        try:
            return path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            raise RecipeError(
                name, ["there is no such file; `soritune recipes` lists the built-in recipes"]
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(name, [f"cannot be read as UTF-8 text ({reason_of(error)})"]) from None
    known = recipe_names()
    if name not in known:
        raise UnknownNameError("recipe", name, known)
    return importlib.resources.files("soritune.recipes").joinpath(f"{name}.yaml").read_text(encoding="utf-8")


def load_recipe(name: str, overrides: Sequence[str] = (), *, presets: Iterable[str] = ()) -> Recipe:
    """A recipe by name or path, with presets and then `key=value` overrides applied.

    Args:
        name: built-in name or path of a YAML file.
        overrides: `dotted.key=value`, the value read as YAML; `data=ROOT` is short for `data.root=ROOT`, and so are a
            recipe's `aliases` for their keys.
        presets: names of the recipe's own presets, applied in order.

    Keys that the caller gave and that change nothing are logged as warnings.

    Raises:
        RecipeError: all faults at once, each with its path, what was given and the nearest known key.
    """
    try:
        raw = yaml.load(recipe_text(name), Loader=_StrictLoader)  # noqa: S506  (a SafeLoader)
    except RecursionError:
        raise RecipeError(name, ["is nested too deep"]) from None
    except yaml.YAMLError as error:
        raise RecipeError(name, [f"is not valid YAML: {yaml_fault(error)}"]) from None
    if not isinstance(raw, dict):
        raise RecipeError(name, [f"must be a mapping of settings, got {type(raw).__name__}"])
    raw.setdefault("name", Path(name).stem)
    data = copy.deepcopy(raw)
    known = raw.get("presets") or {}
    if not isinstance(known, dict) or not all(isinstance(values, dict) for values in known.values()):
        raise RecipeError(name, ["presets: must map a name to a mapping of `dotted.key: value`"])
    faults: list[str] = []
    given_keys: list[str] = []
    is_own = Path(name).suffix in (".yaml", ".yml")
    for preset in presets:
        if preset not in known:
            raise UnknownNameError(f"preset of {name}", preset, known)
        unchanged = [f"{key}={json.dumps(v)}" for key, v in known[preset].items() if v == value_at(data, key)]
        if unchanged and is_own:
            logger.warning(
                "preset %s: %s changes nothing, because the recipe has the same value",
                preset,
                ", ".join(unchanged),
            )
        for key, value in known[preset].items():
            hiding = _hiding_phases(data, key)
            if hiding:
                faults.append(
                    f"preset {preset}: {key}: {hiding} set it for themselves, so it changes nothing"
                )
            _set(data, key, copy.deepcopy(value), faults)
        given_keys += leaves(known[preset])
    aliases = _aliases(name, raw)
    given = [_override(name, override, aliases, faults) for override in overrides]
    _warn_of_repeats([pair for pair in given if pair])
    given_keys += leaves(dict(pair for pair in given if pair))
    if is_own:
        given_keys += _keys_of_file(raw)
    # A change of source comes first: it drops the source settings of the recipe, not those of other overrides. So do
    # phases as a whole, which hide settings or no longer do.
    first = ("data.source", "train.phases")
    for key, value in sorted((pair for pair in given if pair), key=lambda pair: pair[0] not in first):
        if key == "data.source" and (data.get("data") or {}).get("source") != value:
            set_key(data, "data.config", {})  # the settings of another source do not fit this one
        hiding = _hiding_phases(data, key)
        if hiding:
            faults.append(
                f"{key}: {hiding} set it for themselves; give train.phases.1.… and so on, or train.phases=null"
            )
        _set(data, key, value, faults)
    _drop_aliases_of(data, raw, aliases)
    try:
        recipe = check_recipe(name, data)
    except RecipeError as error:
        raise RecipeError(name, [*faults, *error.faults]) from None
    if faults:
        raise RecipeError(name, faults)
    for sentence in idle_keys(recipe.resolved(), recipe.make_tasks(), given_keys):
        logger.warning("%s", sentence)
    return recipe


def _keys_of_file(raw: Mapping[str, Any]) -> list[str]:
    """The keys of a recipe file with another value than the default. `model.encoder` is in every file."""
    defaults = Recipe(name="defaults", tasks={}, model=ModelConfig(encoder="none")).resolved()
    return [
        key for key in leaves(raw) if key != "model.encoder" and value_at(raw, key) != value_at(defaults, key)
    ]


def _warn_of_repeats(given: Sequence[tuple[str, Any]]) -> None:
    """Warns of overrides that a later one of the same key replaces."""
    for number, (key, value) in enumerate(given):
        later = [name for name, other in given[number + 1 :] if name == key and other != value]
        if later:
            logger.warning("%s=%s has no effect, because %s is given again after it", key, value, later[0])


def _override(
    name: str, override: str, aliases: Mapping[str, Alias], faults: list[str]
) -> tuple[str, Any] | None:
    """Key and value of an override; None, after adding to `faults`, if it is faulty."""
    given, separator, text = override.partition("=")
    if not separator or not given:
        fits = Path(override).suffix or Path(override).exists()
        hint = f"did you mean data={override}?" if fits else "such as data=ROOT or train.epochs=20"
        raise RecipeError(name, [f"override '{override}' is not of the form key=value; {hint}"])
    key = "data.root" if given == "data" else given
    alias = aliases.get(given)
    if alias is not None:
        key = alias.key
    elif "." not in key and key not in Recipe.model_fields:
        close = nearest(key, [*aliases, *Recipe.model_fields]) or _key_that_ends(key)
        short = f"; short names here: {', '.join(aliases)}" if aliases else ""
        faults.append(f"{key}: unknown key" + (f"; did you mean '{close}'?" if close else short))
        return None
    value = text if key in LITERAL and text != "null" else _value(text)
    try:
        return key, value if alias is None else alias.meaning(value)
    except ValueError as error:
        faults.append(f"{given}: {error}")
        return None


def _key_that_ends(name: str) -> str | None:
    """The dotted key of the one section that has a setting of this name, as `train.epochs` for `epochs`."""
    sections = [section for section in Recipe.model_fields if name in keys_at(Recipe, [section])]
    return f"{sections[0]}.{name}" if len(sections) == 1 else None


def _drop_aliases_of(data: dict[str, Any], raw: Mapping[str, Any], aliases: Mapping[str, Alias]) -> None:
    """Removes from `data` the short names for settings of tasks that overrides removed from the recipe."""
    tasks, original = data.get("tasks"), raw.get("tasks")
    if (
        not isinstance(tasks, dict)
        or not isinstance(original, dict)
        or not isinstance(data.get("aliases"), dict)
    ):
        return
    removed = {f"tasks.{name}" for name in original if name not in tasks}
    data["aliases"] = {
        name: value
        for name, value in data["aliases"].items()
        if name not in aliases or ".".join(aliases[name].key.split(".")[:2]) not in removed
    }


def _aliases(source: str, raw: Mapping[str, Any]) -> dict[str, Alias]:
    """The recipe's short names, checked."""
    try:
        return Aliases.model_validate({"aliases": raw.get("aliases")}).aliases
    except ValidationError as error:
        raise RecipeError(source, faults_of(error, Aliases)) from None


def _set(data: dict[str, Any], key: str, value: Any, faults: list[str]) -> None:
    try:
        set_key(data, key, value)
    except KeyError as error:
        faults.append(f"{key}: there is no entry {error}; entries are counted from 1")


def _hiding_phases(data: Mapping[str, Any], key: str) -> str:
    """The phases, as text, that make an override of `train`, `augment` or `model.freeze` change nothing."""
    phases = (data.get("train") or {}).get("phases") or []
    for section in ("train", "augment", "model.freeze"):
        if key == section or key.startswith(f"{section}."):
            path = key.removeprefix("train.").removeprefix("model.").split(".")
            if phases and all(_sets(phase, path) for phase in phases):
                return f"phases {', '.join(str(number) for number in range(1, len(phases) + 1))}"
    return ""


def _sets(phase: Any, path: Sequence[str]) -> bool:
    """Whether a phase sets what `path` leads to, or something inside it."""
    for part in path:
        if not isinstance(phase, dict) or part not in phase:
            return False
        phase = phase[part]
    return True


def check_recipe(source: str, data: Mapping[str, Any]) -> Recipe:
    """A recipe from plain data; raises `RecipeError` with every fault."""
    faults: list[str] = []
    recipe: Recipe | None = None
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        faults += faults_of(error, Recipe)
    tasks = data.get("tasks")
    made: list[Task] = []
    for name, config in (tasks if isinstance(tasks, dict) else {}).items():
        try:
            made.append(make_task(name, config or {}, f"tasks.{name}"))
        except TaskSettingsError as error:
            faults += error.faults
        except UnknownNameError as error:
            faults.append(f"tasks: {error}")
    if recipe is not None:
        faults += [*_alias_faults(recipe), *_mixing_faults(recipe, made), *_decoder_faults(recipe, made)]
    faults += [*_idle_faults(made), *_rate_faults(made)]
    if recipe is None or faults:
        raise RecipeError(source, faults)
    return recipe


def _decoder_faults(recipe: Recipe, tasks: Sequence[Task]) -> list[str]:
    """A decoder that does not exist, that has other settings, or that no task has an output for."""
    try:
        refuse_idle_decoder(make_decoder(recipe.evaluate.decoder), tasks)
    except (TaskError, UnknownNameError) as error:
        return [f"evaluate.decoder: {error}"]
    return []


def _idle_faults(tasks: Sequence[Task]) -> list[str]:
    """Faults if no output has a weight in the loss, so that nothing would be learnt."""
    outputs = [(task, spec) for task in tasks for spec in task.outputs]
    if not outputs or any(spec.weight > 0 for _, spec in outputs):
        return []
    names = []
    for task, spec in outputs:
        key = f"{spec.name}_weight"
        names.append(f"tasks.{task.name}.{key if key in task.Config.model_fields else 'weight'}")
    verb = "is" if len(names) == 1 else "are all"
    return [f"{' and '.join(names)} {verb} 0, so nothing would be learnt; give one a weight above 0"]


def _rate_faults(tasks: Sequence[Task]) -> list[str]:
    """Rates that a task gives without a description, so that reports would have no title for them."""
    return [
        f"tasks.{task.name}: gives the rate '{rate}', which its rate_descriptions lack; this is a defect of the task"
        for task in tasks
        for rate in task.score([])
        if rate not in task.rate_descriptions
    ]


def _mixing_faults(recipe: Recipe, tasks: Sequence[Task]) -> list[str]:
    """Why batches cannot be mixed as a phase requests."""
    phases = resolve_phases(recipe.train, recipe.augment, recipe.model.freeze)
    mixing = dict.fromkeys(key for phase in phases for key in Chain.of(phase.augment).mixing)
    return refusals(mixing, unmixable_parts(tasks))


def _alias_faults(recipe: Recipe) -> list[str]:
    """Short names that hide a key of a recipe, or stand for an unknown one."""
    faults = []
    for name, alias in recipe.aliases.items():
        if "." in name or name == "data" or name in Recipe.model_fields:
            faults.append(f"aliases.{name}: is a key already, or has a dot; choose another short name")
        reason = _unknown_key(recipe, alias.key.split("."))
        if reason:
            faults.append(f"aliases.{name}: {alias.key}: {reason}")
    return faults


def _unknown_key(recipe: Recipe, parts: Sequence[str]) -> str | None:
    """What is wrong with a key, or None; keys below a free mapping are not checked."""
    if parts[0] == "tasks" and len(parts) > 2 and parts[1] in recipe.tasks:
        known = list(task_kind(parts[1]).Config.model_fields)
        return _unknown(parts[2], known)
    for depth, part in enumerate(parts):
        known = keys_at(Recipe, parts[:depth])
        if known and part not in known:
            return _unknown(part, known)
    return _unknown(parts[1], list(recipe.tasks)) if parts[0] == "tasks" and len(parts) > 1 else None


def _unknown(key: str, known: Sequence[str]) -> str | None:
    if key in known:
        return None
    hint = nearest(key, known)
    return f"unknown key; did you mean '{hint}'?" if hint else f"unknown key; known: {', '.join(known)}"


def set_key(data: dict[str, Any], key: str, value: Any) -> None:
    """Sets `a.b.c` in nested mappings, making those that are missing or null.

    An entry of a list is named by its number, counted from 1, or by its `name`: `train.phases.2.epochs`.

    Raises:
        KeyError: a list has no such entry.
    """
    head, marker, group = key.partition(".learning_rates.")
    # The name of a group of layers has a dot: train.learning_rates.layers.0-7=1e-5.
    *parents, last = [*head.split("."), marker.strip("."), group] if marker else key.split(".")
    target: Any = data
    for parent in parents:
        if isinstance(target, list):
            target = _entry(target, parent)
            continue
        if not isinstance(target.get(parent), dict | list):
            target[parent] = {}
        target = target[parent]
    if isinstance(target, list):
        target[target.index(_entry(target, last))] = value
    else:
        target[last] = value


def _entry(entries: list[Any], key: str) -> Any:
    """The entry with this number or name."""
    for number, entry in enumerate(entries, start=1):
        if key == str(number) or (isinstance(entry, dict) and key == entry.get("name")):
            return entry
    raise KeyError(key)


def _value(text: str) -> Any:
    """An override's value as YAML; "1e-5" is a number, although YAML 1.1 only reads "1.0e-5" as one."""
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        return text
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value

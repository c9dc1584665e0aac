"""Typed settings, from YAML files and environment variables.

Later sources win:

1. ``config/pipeline_config.yaml`` and ``config/model_config.yaml``,
2. ``config/env/<environment>.yaml``,
3. the file ``.env``,
4. environment variables: ``MLOPS_LOGGING__LEVEL=DEBUG`` sets ``logging.level``;
   values are read as YAML, so ``[sex, race]`` is a list.

``MLOPS_ENV`` names the environment (``dev`` if unset). An unknown key, a wrong type
or a missing file is refused in one line that names the file and the key.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from src.utils.errors import ConfigError

PROJECT_ROOT = Path(__file__).resolve().parents[2]
CONFIG_DIR = PROJECT_ROOT / "config"
ENV_FILE = PROJECT_ROOT / ".env"
ENV_PREFIX = "MLOPS_"
ENV_NAME = "MLOPS_ENV"
EXPORT_SUFFIX = "_export"
# As safe as SafeLoader, and many times as fast; not every build of PyYAML has it.
YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Task = Literal["classification", "regression"]
ProjectPath = Annotated[Path, AfterValidator(lambda path: PROJECT_ROOT / path)]


class Section(BaseModel):
    """A part of the settings: fixed once loaded, and closed to unknown keys."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, coerce_numbers_to_str=True, protected_namespaces=()
    )


class ProjectSettings(Section):
    """What the reports call the project."""

    name: str
    description: str


class DataSettings(Section):
    """Where the data come from, and the contract they are held against."""

    source: str
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    target: str
    schema_path: ProjectPath = PROJECT_ROOT / "config/data_schema.yaml"
    dictionary_path: ProjectPath = (
        PROJECT_ROOT / "docs/data_dictionaries/data_dictionary.md"
    )


class ValidationSettings(Section):
    """What happens to data that break the contract."""

    on_violation: Literal["fail", "quarantine"] = "fail"
    max_examples: int = Field(default=5, ge=1)


class SplitSettings(Section):
    """How the rows are divided into training and test set."""

    method: Literal["stratified", "random", "time"] = "random"
    test_size: float = Field(default=0.2, gt=0, lt=1)
    time_columns: list[str] = []


class PreprocessingSettings(Section):
    """How raw rows become training and test rows."""

    drop_duplicates: bool = True
    split: SplitSettings = SplitSettings()


class FeatureSettings(Section):
    """How columns become the numbers that a model sees."""

    max_missing_share: float = Field(default=0.95, gt=0, le=1)
    max_correlation: float = Field(default=0.999, gt=0, le=1)
    min_category_rows: int = Field(default=10, ge=1)


class EvaluationSettings(Section):
    """How a model is measured."""

    slices: list[str] = []
    audits: list[str] = []
    min_slice_rows: int = Field(default=30, ge=1)
    confidence: float = Field(default=0.95, gt=0, lt=1)
    bootstrap_samples: int = Field(default=200, ge=10)


class ModelSettings(Section):
    """Which model is trained, with which hyperparameters."""

    type: str
    params: dict[str, Any] = {}


class TrainingSettings(Section):
    """How the model is trained."""

    strategy: Literal["standard", "cross_validation", "hyperparameter_search"] = (
        "standard"
    )
    folds: int = Field(default=5, ge=2)
    decision_threshold: Literal["default", "tuned"] = "default"


class RangeSettings(Section):
    """The values of a number that a search may try, or the values to choose from."""

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    choices: list[Any] | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        """Refuse what is neither a range nor a list of choices, or is both."""
        if self.choices is not None:
            if self.low is not None or self.high is not None or not self.choices:
                raise ValueError("either choices (at least one), or low and high")
        elif self.low is None or self.high is None or self.low > self.high:
            raise ValueError("low and high are needed, low not above high")
        elif self.log and self.low <= 0:
            raise ValueError("log needs a low above 0")
        return self


class SearchSettings(Section):
    """How hyperparameters are searched for, by the type of the model."""

    trials: int = Field(default=30, ge=1)
    workers: int = Field(default=1, ge=1)
    batch: int = Field(default=4, ge=1)
    space: dict[str, dict[str, RangeSettings]] = {}


class TrackingSettings(Section):
    """Where runs are recorded; a backend is a module of ``src/tracking``."""

    backend: str = "none"
    uri: str | None = None
    experiment: str | None = None


class RegistrySettings(Section):
    """Where versions are kept; a backend is a module of ``src/models``."""

    backend: str = "directory"
    model: str = Field(default="model", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    cards: ProjectPath = PROJECT_ROOT / "docs/model_cards"


class GateSettings(Section):
    """What a challenger must hold to become the champion.

    ``thresholds`` and ``slice_floors`` are by metric: the least value where higher is
    better, else the largest. Both are held against the value, not its interval, and
    slices of fewer than ``evaluation.min_slice_rows`` against none. ``margin`` is how
    much worse than the champion is still accepted, as a share of the champion's
    primary metric.
    """

    thresholds: dict[str, float] = {}
    slice_floors: dict[str, float] = {}
    margin: float = Field(default=0.02, ge=0, lt=1)


class ExportSettings(Section):
    """The form, besides its own, in which a model is written for a service.

    A format is a module of ``src/models``: ``<format>_export.py``.
    """

    format: str = "none"

    @field_validator("format")
    @classmethod
    def _is_known(cls, name: str) -> str:
        """Refuse a format that no module writes."""
        folder = PROJECT_ROOT / "src/models"
        known = sorted(p.stem for p in folder.glob(f"?*{EXPORT_SUFFIX}.py"))
        names = ["none", *(stem.removesuffix(EXPORT_SUFFIX) for stem in known)]
        if name not in names:
            raise ValueError(f"expected one of: {', '.join(names)}")
        return name


class LoggingSettings(Section):
    """How much the commands say, and to whom."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["text", "json"] = "text"


class PathSettings(Section):
    """Where the pipeline reads and writes; relative paths start at the project."""

    data: ProjectPath = PROJECT_ROOT / "data"
    models: ProjectPath = PROJECT_ROOT / "models"
    reports: ProjectPath = PROJECT_ROOT / "reports"

    @property
    def raw(self) -> Path:
        """The folder of the untouched source file."""
        return self.data / "raw"

    @property
    def processed(self) -> Path:
        """The folder of the training and test rows."""
        return self.data / "processed"

    @property
    def features(self) -> Path:
        """The folder of the feature sets."""
        return self.data / "features"


class DeploymentSettings(Section):
    """Where released models go, and how many are kept for a rollback."""

    location: ProjectPath
    keep: int = Field(default=5, ge=2)


class Settings(Section):
    """All settings of the pipeline; ``load_settings`` is the way to make one."""

    project: ProjectSettings
    task: Task
    seed: int = Field(default=42, ge=0)
    data: DataSettings
    validation: ValidationSettings = ValidationSettings()
    preprocessing: PreprocessingSettings = PreprocessingSettings()
    features: FeatureSettings = FeatureSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    model: ModelSettings
    training: TrainingSettings = TrainingSettings()
    search: SearchSettings = SearchSettings()
    tracking: TrackingSettings = TrackingSettings()
    registry: RegistrySettings = RegistrySettings()
    gate: GateSettings = GateSettings()
    export: ExportSettings = ExportSettings()
    logging: LoggingSettings = LoggingSettings()
    paths: PathSettings = PathSettings()
    deployment: DeploymentSettings


def default_env_config() -> Path:
    """Return the file of the environment that ``MLOPS_ENV`` names, or of dev."""
    name = os.environ.get(ENV_NAME) or _dotenv().get(ENV_NAME) or "dev"
    return CONFIG_DIR / "env" / f"{name}.yaml"


def load_settings(
    pipeline_config: Path = CONFIG_DIR / "pipeline_config.yaml",
    model_config: Path = CONFIG_DIR / "model_config.yaml",
    env_config: Path | None = None,
) -> Settings:
    """Read the settings from their files and the environment.

    Args:
        pipeline_config: Data, preprocessing, features and evaluation.
        model_config: Model and training strategy.
        env_config: What differs in one environment; ``default_env_config()`` if None.

    Returns:
        The validated settings; nothing in them can be changed.

    Raises:
        ConfigError: If a file is missing or is not YAML, or a key is unknown, missing
            or of the wrong type; it names every such key and where it was set.
    """
    env_config = env_config or default_env_config()
    layers = [(str(f), read_yaml(f)) for f in (pipeline_config, model_config)]
    layers.append((str(env_config), read_yaml(env_config)))
    layers.append((str(ENV_FILE), _from_variables(str(ENV_FILE), _dotenv())))
    layers.append(("environment", _from_variables("environment", os.environ)))
    merged: dict[str, Any] = {}
    origin: dict[tuple[str, ...], str] = {}
    for name, layer in layers:
        _merge(merged, layer, name, origin)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        where = " or ".join(str(f) for f in (pipeline_config, model_config, env_config))
        raise ConfigError(describe(error, Settings, origin, where)) from None


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping that the YAML file ``path`` holds; empty for an empty file.

    Raises:
        ConfigError: If the file is missing, is not YAML, or holds no mapping.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=YAML_LOADER)
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise ConfigError(f"{path}: {reason}; expected a YAML file") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        problem = " ".join(str(error).split())
        raise ConfigError(f"{path}: not valid YAML: {problem}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        found = type(content).__name__
        raise ConfigError(f"{path}: found a {found}, expected `key: value` lines")
    return content


def describe(
    error: ValidationError,
    model: type[BaseModel],
    origin: Mapping[tuple[str, ...], str],
    default: str,
) -> str:
    """Say in one line what is wrong with which key of which file.

    Args:
        error: What pydantic found.
        model: What it tried to make; names the keys that there are.
        origin: The file that set a key, by the path of the key.
        default: The file to name for a key that no file sets.

    Returns:
        ``file: key: found …, expected …`` for each problem, joined by ``; ``.
    """
    problems = []
    for detail in error.errors(include_url=False):
        path = tuple(str(part) for part in detail["loc"])
        file = next(
            (origin[path[:n]] for n in range(len(path), 0, -1) if path[:n] in origin),
            default,
        )
        match detail["type"]:
            case "extra_forbidden":
                known = ", ".join(_keys_of(model, path[:-1]))
                problem = f"unknown key, expected one of {known}"
            case "missing":
                problem = "not found, expected a value"
            case _:
                expected = detail["msg"].removeprefix("Input should be ")
                problem = f"found {detail['input']!r}, expected {expected}"
        problems.append(f"{file}: {'.'.join(path)}: {problem}")
    return "; ".join(problems)


def _keys_of(model: type[BaseModel], path: tuple[str, ...]) -> list[str]:
    """Return the keys of the section at ``path``, where columns are named freely."""
    for part in path:
        if part in model.model_fields:
            annotation = model.model_fields[part].annotation
            model = (get_args(annotation) or (annotation,))[-1]
    return list(model.model_fields)


def _dotenv() -> dict[str, str]:
    """Return the variables that ``.env`` sets; none if there is no such file."""
    return {k: v for k, v in dotenv_values(ENV_FILE).items() if v is not None}


def _from_variables(name: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings among ``variables``, nested as in the YAML files.

    Raises:
        ConfigError: If the value of a variable is not YAML, or one variable sets a
            section and another a key of it.
    """
    nested: dict[str, Any] = {}
    for variable, text in sorted(variables.items()):
        if not variable.startswith(ENV_PREFIX) or variable == ENV_NAME:
            continue
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            expected = "expected a YAML value"
            message = f"{name}: {variable}: found {text!r}, {expected}"
            raise ConfigError(message) from None
        *sections, key = variable.removeprefix(ENV_PREFIX).lower().split("__")
        inner = nested
        for section in sections:
            inner = inner.setdefault(section, {})
            if not isinstance(inner, dict):
                whole = variable.rpartition("__")[0]
                message = f"{name}: {variable}: {whole} is set too, expected only one"
                raise ConfigError(message)
        inner[key] = value
    return nested


def _merge(
    into: dict[str, Any],
    layer: Mapping[str, Any],
    name: str,
    origin: dict[tuple[str, ...], str],
    path: tuple[str, ...] = (),
) -> None:
    """Lay ``layer`` over ``into``, section by section, noting where keys came from."""
    for key, value in layer.items():
        here = (*path, str(key))
        origin[here] = name
        if isinstance(value, dict):
            # An empty mapping empties the section: there is no other way to say it.
            if not value or not isinstance(into.get(key), dict):
                into[key] = {}
            _merge(into[key], value, name, origin, here)
        else:
            into[key] = value

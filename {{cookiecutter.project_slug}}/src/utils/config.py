"""Typed settings, from YAML files and environment variables. Later sources win:

1. ``config/pipeline_config.yaml`` and ``config/model_config.yaml``,
2. ``config/env/<environment>.yaml``; ``MLOPS_ENV`` names it (``dev`` if unset),
3. the file ``.env``, then environment variables: ``MLOPS_LOGGING__LEVEL=DEBUG`` sets
   ``logging.level``; values are read as YAML, so ``[sex, race]`` is a list.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml
from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, Field, ValidationError

from src.utils.errors import ConfigError, reported

PROJECT_ROOT = Path(__file__).resolve().parents[2]
CONFIG_DIR = PROJECT_ROOT / "config"
DOCS_DIR = PROJECT_ROOT / "docs"
PIPELINE_CONFIG = CONFIG_DIR / "pipeline_config.yaml"
MODEL_CONFIG = CONFIG_DIR / "model_config.yaml"
ENV_FILE = PROJECT_ROOT / ".env"
ENV_PREFIX = "MLOPS_"
ENV_NAME = "MLOPS_ENV"

Task = Literal["classification", "regression"]
Strategy = Literal["standard", "cross_validation", "hyperparameter_search"]
ProjectPath = Annotated[Path, AfterValidator(lambda path: PROJECT_ROOT / path)]
Model = TypeVar("Model", bound=BaseModel)
Origin = dict[tuple[str, ...], str]  # the file that set a key, by the key's path


class Section(BaseModel):
    """A part of the settings, as ``config/*.yaml`` explains them; no other keys."""

    model_config = {"extra": "forbid", "frozen": True, "coerce_numbers_to_str": True}


class ProjectSettings(Section):
    name: str
    description: str


class DataSettings(Section):
    source: str
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    target: str
    schema_path: ProjectPath = CONFIG_DIR / "data_schema.yaml"
    dictionary_path: ProjectPath = DOCS_DIR / "data_dictionaries/data_dictionary.md"


class SplitSettings(Section):
    test_size: float = Field(default=0.2, gt=0, lt=1)
    gap: float = Field(default=0, ge=0)


class PreprocessingSettings(Section):
    drop_duplicates: bool | list[str] = False  # or the columns that tell rows apart
    split: SplitSettings = SplitSettings()


class FeatureSettings(Section):
    max_missing_share: float = Field(default=0.95, gt=0, le=1)
    max_correlation: float = Field(default=0.999, gt=0, le=1)
    min_category_rows: int = Field(default=10, ge=1)


class EvaluationSettings(Section):
    slices: list[str] = []
    min_slice_rows: int = Field(default=30, ge=2)
    min_class_rows: int = Field(default=10, ge=1)
    confidence: float = Field(default=0.95, gt=0, lt=1)
    bootstrap_samples: int = Field(default=1000, ge=10)


class ModelSettings(Section):
    type: str
    params: dict[str, Any] = {}


class TrainingSettings(Section):
    strategy: Strategy = "standard"
    folds: int = Field(default=5, ge=2)
    decision_threshold: Literal["default", "tuned"] = "default"


class SearchSettings(Section):
    trials: int = Field(default=30, ge=1)
    space: dict[str, dict[str, dict[str, Any]]] = {}  # by model type, hyperparameter


class TrackingSettings(Section):
    enabled: bool = True
    uri: str | None = None
    experiment: str | None = None


class RegistrySettings(Section):
    model: str = Field(default="model", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    cards: ProjectPath = DOCS_DIR / "model_cards"


class GateSettings(Section):
    thresholds: dict[str, float] = {}  # by metric
    slice_floors: dict[str, float] = {}
    margin: float = Field(default=0.02, ge=0, lt=1)


class LoggingSettings(Section):
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["text", "json"] = "text"


class PathSettings(Section):
    data: ProjectPath = PROJECT_ROOT / "data"
    models: ProjectPath = PROJECT_ROOT / "models"
    reports: ProjectPath = PROJECT_ROOT / "reports"

    @property
    def processed(self) -> Path:
        return self.data / "processed"


class Settings(Section):
    project: ProjectSettings
    task: Task
    seed: int = Field(default=42, ge=0)
    data: DataSettings
    preprocessing: PreprocessingSettings = PreprocessingSettings()
    features: FeatureSettings = FeatureSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    model: ModelSettings
    training: TrainingSettings = TrainingSettings()
    search: SearchSettings = SearchSettings()
    tracking: TrackingSettings = TrackingSettings()
    registry: RegistrySettings = RegistrySettings()
    gate: GateSettings = GateSettings()
    logging: LoggingSettings = LoggingSettings()
    paths: PathSettings = PathSettings()


def load_settings(
    pipeline_config: Path = PIPELINE_CONFIG,
    model_config: Path = MODEL_CONFIG,
    env_config: Path | None = None,
) -> Settings:
    """Read the settings; ConfigError names every wrong key, and where it was set."""
    env = os.environ.get(ENV_NAME) or dotenv_values(ENV_FILE).get(ENV_NAME) or "dev"
    files = pipeline_config, model_config, env_config or CONFIG_DIR / f"env/{env}.yaml"
    return read_settings(Settings, files, ENV_PREFIX)


def read_settings(
    model: type[Model],
    files: Sequence[Path],
    prefix: str | None = None,
    parse: Callable[[str], Any] = yaml.safe_load,
) -> Model:
    """Read settings from YAML files and, with a prefix, variables as ``parse`` does."""
    layers: list[tuple[str, Any]] = [(str(file), read_yaml(file)) for file in files]
    if prefix:
        layers += _variables(dotenv_values(ENV_FILE), str(ENV_FILE), prefix, parse)
        layers += _variables(os.environ, "environment", prefix, parse)
    merged: dict[str, Any] = {}
    origin: Origin = {}
    for name, layer in layers:
        _merge(merged, layer, name, origin)
    try:
        return model.model_validate(merged)
    except ValidationError as error:
        where = " or ".join(map(str, files))
        raise ConfigError(_describe(error, model, origin, where)) from None


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML file holds; ConfigError if it holds none."""
    failures, what = (OSError, ValueError, yaml.YAMLError), f"{path}: cannot be read"
    with reported(failures, what, "expected a file of YAML", ConfigError):
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: found a {type(content).__name__}, not `key: value`")
    return content


def _describe(
    error: ValidationError, model: type[BaseModel], origin: Origin, default: str
) -> str:
    """Say in one line what is wrong with which key of which file, else of default."""
    problems = []
    for detail in error.errors(include_url=False):
        path = tuple(str(part) for part in detail["loc"])
        parents = (path[:n] for n in range(len(path), 0, -1))
        file = next((origin[p] for p in parents if p in origin), default)
        match detail["type"]:
            case "extra_forbidden":
                known = ", ".join(_keys_of(model, path[:-1]))
                problem = f"unknown key, expected one of {known}"
            case "missing" | "value_error":  # which a validator of ours raised
                problem = detail["msg"].removeprefix("Value error, ")
            case _:
                expected = detail["msg"].removeprefix("Input should be ")
                problem = f"found {detail['input']!r}, expected {expected}"
        problems.append(": ".join(filter(None, (file, ".".join(path), problem))))
    return "; ".join(problems)


def _keys_of(section: Any, path: tuple[str, ...]) -> list[str]:
    """Return the keys of the section at ``path``, which may lead through mappings."""
    for part in path:
        types = get_args(section)  # of the keys and values of a mapping
        section = types[1] if types else section.model_fields[part].annotation
    return list(section.model_fields)


def _variables(
    env: Mapping[str, str | None], name: str, prefix: str, parse: Callable[[str], Any]
) -> Iterator[tuple[str, Any]]:
    """Yield ``name`` and each setting among variables, nested; an empty one is none."""
    for variable, text in sorted(env.items()):
        if not variable.startswith(prefix) or variable == ENV_NAME or not text:
            continue
        try:
            value = parse(text)
        except yaml.YAMLError:
            value = text
        for key in reversed(variable.removeprefix(prefix).lower().split("__")):
            value = {key: value}
        yield name, value


def _merge(into: Any, layer: Any, name: str, origin: Origin, *path: str) -> None:
    """Lay ``layer`` over ``into``, section by section, noting where keys came from."""
    for key, value in layer.items():
        origin[(*path, str(key))] = name
        # An empty mapping empties the section: there is no other way to say it.
        if value and isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value, name, origin, *path, str(key))
        else:
            into[key] = value

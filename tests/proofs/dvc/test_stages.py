"""``dvc.yaml`` names what each stage really depends on, and what is really there."""

import ast
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from src.utils.config import PROJECT_ROOT, Settings, load_settings

# It describes the data of a first run; what it does later is in src/data/ingestion.py.
DESCRIBING = "download"
PIPELINE = yaml.safe_load((PROJECT_ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES: dict[str, Any] = PIPELINE["stages"]


def fill_in(text: str, settings: Settings) -> str:
    """Replace what DVC fills in from ``vars``."""
    environment = PIPELINE["vars"][1]["env"]
    return text.replace("${env}", environment).replace(
        "${data.source}", settings.data.source
    )


def names(entries: list[Any]) -> set[str]:
    """Return the paths of a list of which some entries have options."""
    return {next(iter(e)) if isinstance(e, dict) else e for e in entries}


def imports_of(path: str, seen: set[str]) -> set[str]:
    """Return the files of the project that a file imports, directly or not."""
    tree = ast.parse((PROJECT_ROOT / path).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        modules = [f"{node.module}.{alias.name}" for alias in node.names]
        for module in (node.module, *modules):
            file = module.replace(".", "/") + ".py"
            if (PROJECT_ROOT / file).is_file() and file not in seen:
                seen.add(file)
                imports_of(file, seen)
    return seen


@pytest.mark.parametrize("stage", sorted(set(STAGES) - {DESCRIBING}))
def test_a_stage_depends_on_all_code_that_it_runs(stage: str) -> None:
    module = re.search(r"-m (\S+)", STAGES[stage]["cmd"])
    assert module is not None  # or an experiment's copy would run the project's code
    script = module[1].replace(".", "/") + ".py"
    code = {script, "src/__init__.py"} | imports_of(script, set())
    deps = names(STAGES[stage]["deps"])
    forgotten = {
        file for file in code if not deps & {file, *map(str, Path(file).parents)}
    }
    assert not forgotten


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_what_exists_or_another_stage_writes(stage: str) -> None:
    settings = load_settings()
    written = {
        path
        for other in STAGES.values()
        for path in names(other["outs"] + other.get("metrics", []))
    }
    # Where it was inferred, it is written by the first download.
    written.add("config/data_schema.yaml")
    for dep in names(STAGES[stage]["deps"]) - written:
        assert (PROJECT_ROOT / fill_in(dep, settings)).exists()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_parameters_that_are_set(stage: str) -> None:
    settings = load_settings()
    for entry in STAGES[stage]["params"]:
        for file, keys in entry.items():
            path = PROJECT_ROOT / fill_in(file, settings)
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            for key in keys or []:
                value = content
                for part in key.split("."):
                    value = value[part]


def test_the_dictionary_is_an_output_that_git_keeps() -> None:
    path = load_settings().data.dictionary_path.relative_to(PROJECT_ROOT).as_posix()
    (options,) = (
        entry[path]
        for entry in STAGES["preprocess"]["outs"]
        if isinstance(entry, dict) and path in entry
    )
    # DVC would remove it, and lose it where the stage then fails.
    assert options == {"cache": False, "persist": True}


def kept_by_dvc(entries: list[Any]) -> set[str]:
    """Return the paths of the outputs that are in the cache of DVC."""
    uncached = {"cache": False}
    return names(
        [
            entry
            for entry in entries
            if not isinstance(entry, dict)
            or not uncached.items() <= next(iter(entry.values())).items()
        ]
    )


@pytest.mark.parametrize(
    "path", sorted({p for s in STAGES.values() for p in kept_by_dvc(s["outs"])})
)
def test_git_leaves_what_the_stages_write_to_dvc(path: str, tmp_path: Path) -> None:
    for folder in (".", "data", "models"):
        (tmp_path / folder).mkdir(exist_ok=True)
        rules = (PROJECT_ROOT / folder / ".gitignore").read_text(encoding="utf-8")
        (tmp_path / folder / ".gitignore").write_text(rules, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    check = ["git", "-C", tmp_path, "check-ignore", "--quiet", path]
    assert subprocess.run(check).returncode == 0

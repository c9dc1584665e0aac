"""What a Python library can read and check, in this process."""

import ast
import configparser
import json
import tomllib
from collections.abc import Callable, Iterator

import jinja2
import nbformat
import yaml
from packaging.requirements import InvalidRequirement, Requirement
from yamllint import linter
from yamllint.config import YamlLintConfig

from tests.combinations.texts import Text

YAML_RULES = YamlLintConfig("""
extends: default
rules:
  comments: {min-spaces-from-content: 1}
  document-start: disable
  indentation: {indent-sequences: whatever}
  line-length: disable
  truthy: {check-keys: false}
""")


def problems_of(text: Text) -> Iterator[str]:
    """Yield what the library for the kind of a text says against it."""
    check = CHECKS.get(text.kind)
    if check:
        yield from check(text.content)


def _python(content: str) -> Iterator[str]:
    try:
        compile(content, "<text>", "exec", dont_inherit=True)
    except SyntaxError as error:
        yield f"line {error.lineno}: {error.msg}"


def _yaml(content: str) -> Iterator[str]:
    try:
        yaml.safe_load(content)
    except yaml.YAMLError as error:
        yield " ".join(str(error).split())
        return
    for found in linter.run(content, YAML_RULES):
        yield f"line {found.line}: {found.desc}"


def _toml(content: str) -> Iterator[str]:
    try:
        tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        yield str(error)


def _json(content: str) -> Iterator[str]:
    try:
        json.loads(content)
    except json.JSONDecodeError as error:
        yield str(error)


def _ini(content: str) -> Iterator[str]:
    try:
        configparser.ConfigParser(interpolation=None).read_string(content)
    except configparser.Error as error:
        yield " ".join(str(error).split())


def _notebook(content: str) -> Iterator[str]:
    try:
        # Reading joins the lines that a notebook's cells are stored as.
        notebook = nbformat.reads(content, as_version=4)
        nbformat.validate(notebook)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        yield f"not a notebook: {str(error).splitlines()[0]}"
        return
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        if cell.outputs or cell.execution_count:
            yield f"cell {number} is stored with its output"
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            yield f"cell {number}: {error.msg}"


def _jinja(content: str) -> Iterator[str]:
    try:
        jinja2.Environment(autoescape=True).parse(content)
    except jinja2.TemplateSyntaxError as error:
        yield f"line {error.lineno}: {error.message}"


def _requirements(content: str) -> Iterator[str]:
    for line in content.splitlines():
        wanted = line.split(" #")[0].strip()
        if not wanted or wanted.startswith(("#", "-")):
            continue
        try:
            Requirement(wanted)
        except InvalidRequirement as error:
            yield f"{wanted}: {str(error).splitlines()[0]}"


CHECKS: dict[str, Callable[[str], Iterator[str]]] = {
    "python": _python,
    "yaml": _yaml,
    "workflow": _yaml,
    "dependabot": _yaml,
    "toml": _toml,
    "json": _json,
    "ini": _ini,
    "notebook": _notebook,
    "jinja": _jinja,
    "requirements": _requirements,
}

"""What Python files, and the code cells of notebooks, offer and need."""

import ast
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import PurePosixPath

from tests.combinations.facts import Name
from tests.combinations.kinds import IS_APART, kind_of

# Import name -> distribution, where the two differ.
DISTRIBUTIONS = {
    "airflow": "apache-airflow",
    "dotenv": "python-dotenv",
    "python_calamine": "python-calamine",
    "pythonjsonlogger": "python-json-logger",
    "prometheus_client": "prometheus-client",
    "pydantic_core": "pydantic",  # a part of it, and pinned by it
    "sklearn": "scikit-learn",
    "werkzeug": "flask",  # which cannot be without it
    "IPython": "ipython",
    "yaml": "pyyaml",
}
# How code reads variables; the last is what a flow calls them and those of .env.
READ = ("os.environ", "os.environ.get", "os.getenv", "environ.get", "variables.get")
VARIABLE = re.compile(r"[A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9]")


@cache
def parse(landing: str, text: str) -> ast.Module:
    """Return the syntax tree of a Python file or notebook; empty for other files."""
    kind = kind_of(landing)
    try:
        if kind == "notebook":
            cells = json.loads(text)["cells"]
            code = [c["source"] for c in cells if c["cell_type"] == "code"]
            text = "\n".join("".join(source) for source in code)
        return ast.parse(text if kind in ("python", "notebook") else "")
    except (SyntaxError, json.JSONDecodeError):  # parsers.py reports it
        return ast.parse("")


def module_name(landing: str) -> str:
    """Return the dotted name under which a Python file is imported."""
    parts = PurePosixPath(landing).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def offers(landing: str, text: str) -> Iterator[Name]:
    """Yield the module that a file is, the names in it, and what it imports."""
    if kind_of(landing) == "python":
        module = module_name(landing)
        yield "module", module
        # A folder without __init__.py is a package, too.
        for parent in PurePosixPath(landing).parents:
            yield "module", ".".join(parent.parts)
        yield "name", module
        for node in parse(landing, text).body:
            for name in _defined(node):
                yield "name", f"{module}.{name}"
        yield from (("setting", name) for name in _settings(parse(landing, text)))
    if landing.startswith("flows/"):
        yield from (("setting", name) for name in _read_variables(parse(landing, text)))
    sort = "import apart" if landing in IS_APART else "import"
    for module, _ in _imports(parse(landing, text)):
        yield sort, DISTRIBUTIONS.get(module.split(".")[0], module.split(".")[0])


def needs(landing: str, text: str) -> Iterator[Name]:
    """Yield the modules, names, distributions and variables that code relies on."""
    tree = parse(landing, text)
    for module, name in _imports(tree):
        top = module.split(".")[0]
        if landing in IS_APART:  # nothing of the project is installed there
            if top not in sys.stdlib_module_names:
                yield "requirement apart", DISTRIBUTIONS.get(top, top)
        elif top in ("src", "tests", "scripts"):
            yield "module", module
            if name:
                yield "name", f"{module}.{name}"
        elif top not in sys.stdlib_module_names and landing != "setup.py":
            yield "requirement", DISTRIBUTIONS.get(top, top)
    if landing.startswith(("src/", "scripts/", "flows/")):
        read = {*_read_variables(tree)} - {"PATH"}
        yield from (("documented variable", name) for name in read)


def _imports(tree: ast.Module) -> Iterator[tuple[str, str | None]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.module, alias.name) for alias in node.names)


def _defined(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement at the top of a module defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            yield alias.asname or alias.name.split(".")[0]
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.If | ast.Try):
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                yield inner.id
            elif isinstance(inner, ast.Import | ast.ImportFrom):
                yield from _defined(inner)


def _settings(tree: ast.Module) -> Iterator[str]:
    """Yield the environment variables that set the fields of settings classes.

    A module of settings names its prefix in a constant (``ENV_PREFIX = "MLOPS_"``);
    a class that is the type of a field is a section, and ``__`` goes down one level.
    """
    classes = {n.name: n for n in tree.body if isinstance(n, ast.ClassDef)}
    fields = {name: dict(_fields(node)) for name, node in classes.items()}
    sections = {kind for inner in fields.values() for kind in inner.values()}
    prefixes = set(_prefixes(tree))
    for prefix in prefixes:
        for name in classes.keys() - sections:
            yield from (f"{prefix}{path}" for path in _paths(name, fields))
    for node in ast.walk(tree) if prefixes else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value.startswith(tuple(prefixes)) and VARIABLE.fullmatch(
                node.value
            ):
                yield node.value


def _prefixes(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            value = node.value.value
            if isinstance(value, str) and re.fullmatch(r"[A-Z]+_", value):
                yield value


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for inner in node.body:
        if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
            kind = inner.annotation
            yield inner.target.id, kind.id if isinstance(kind, ast.Name) else ""


def _paths(name: str, fields: dict[str, dict[str, str]]) -> Iterator[str]:
    for field, kind in fields[name].items():
        if fields.get(kind):
            yield from (f"{field.upper()}__{path}" for path in _paths(kind, fields))
        else:
            yield field.upper()


def _read_variables(tree: ast.Module) -> Iterator[str]:
    """Yield the variables that code reads by name from ``os.environ``."""
    constants = {
        target.id: str(node.value.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            function, argument = node.value, node.slice
        elif isinstance(node, ast.Call) and node.args:
            function, argument = node.func, node.args[0]
        else:
            continue
        source = ast.unparse(function)
        if source in READ:
            if isinstance(argument, ast.Constant):
                yield str(argument.value)
            elif isinstance(argument, ast.Name) and argument.id in constants:
                yield constants[argument.id]

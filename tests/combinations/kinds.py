"""Says of which kind a file is, by where it lands."""

from pathlib import PurePosixPath

BY_NAME = {
    "Makefile": "make",
    "Dockerfile": "dockerfile",
    ".flake8": "ini",
    ".env.example": "env",
}
BY_SUFFIX = {
    ".py": "python",
    ".ipynb": "notebook",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".json": "json",
    ".cfg": "ini",
    ".ini": "ini",
    ".sh": "shell",
    ".bash": "shell",
    ".md": "markdown",
    ".j2": "jinja",
}

# Environments of their own: what is installed there -> the one file that runs there.
APART = {
    "requirements-monitoring.txt": "scripts/monitoring_report.py",
    "requirements-orchestration.txt": "flows/pipeline.py",
}
IS_APART = {*APART, *APART.values()}

# Kinds whose lines can be judged one by one: nothing reads the file as a whole.
LINEWISE = {"env", "markdown", "text"}


def kind_of(path: str) -> str:
    """Return the kind of a file of a generated project; "text" if it is no other."""
    pure = PurePosixPath(path)
    if pure.match(".github/workflows/*.y*ml"):
        return "workflow"
    if path == ".github/dependabot.yml":
        return "dependabot"
    if pure.name.startswith("requirements") or pure.name == "constraints.txt":
        return "requirements"
    return BY_NAME.get(pure.name) or BY_SUFFIX.get(pure.suffix, "text")

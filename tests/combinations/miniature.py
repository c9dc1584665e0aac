"""A template as small as can be with something of every kind to break."""

import shutil
from pathlib import Path

from tests.combinations.model import FOLDER
from tests.generating import TEMPLATE

QUESTIONS = """{
  "project_name": "Mini",
  "project_slug": "{{ cookiecutter.project_name | slugify or 'mini' }}",
  "greeting": ["warm", "none"],
  "ci": ["github", "none"],
  "__escaped": "{{ (cookiecutter.project_name | tojson)[1:-1] }}",
  "_jinja2_env_vars": {"trim_blocks": true, "lstrip_blocks": true}
}
"""

OWNED = """
OWNED_PATHS = {
    "greeting": {"warm": ["src/greeting.py"]},
    "ci": {"github": [".github/"]},
}
"""

FILES = {
    ".flake8": "[flake8]\nmax-line-length = 88\n",
    ".env.example": "MINI_LEVEL=info\n",
    "config/settings.yaml": """\
name: "{{ cookiecutter.__escaped }}"
{% if cookiecutter.greeting == 'warm' %}
greeting: [warm, hello]
{% endif %}
""",
    "src/__init__.py": "",
    "src/config.py": '''\
"""Settings."""

import os

import yaml

ENV_PREFIX = "MINI_"
LEVEL = os.environ.get("MINI_LEVEL", yaml.safe_dump("info"))
''',
    "src/greeting.py": '''\
"""A greeting."""

from src.config import LEVEL


def greet() -> str:
    """Return a greeting."""
    return f"Hello at {LEVEL}"
''',
    "Dockerfile": """\
FROM python:3.12-slim
WORKDIR /app
COPY src ./src
USER 10001:10001
CMD ["python", "-m", "src.config"]
""",
    "requirements.txt": "pyyaml>=6\n",
    "requirements-monitoring.txt": "tabulate>=0.9,<1\n",
    "scripts/monitoring_report.py": '''\
"""A report."""

import tabulate

print(tabulate.tabulate([["calm"]]))
''',
    "constraints.txt": "pyyaml==6.0.3\n",
    "Makefile": """\
.PHONY: help
help: ## Show the targets
\t@echo help
{% if cookiecutter.greeting == 'warm' %}

.PHONY: greet
greet: requirements.txt ## Greet
\t@python -m src.greeting
{% endif %}
""",
    "README.md": """\
# {{ cookiecutter.project_name }}

Settings are in [config](config/settings.yaml).

{% if cookiecutter.greeting == 'warm' %}
Greet with `src/greeting.py`:

```bash
make greet
```

{% endif %}
{% if cookiecutter.ci == 'github' %}
Tests run on GitHub.

{% endif %}
The end.
""",
    ".github/workflows/tests.yml": """\
name: tests
on: push
permissions: {}
jobs:
  test:
    runs-on: ubuntu-latest
    permissions:
      contents: read
    steps:
      - uses: actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0
        with:
          persist-credentials: false
      - run: make help
        env:
{% raw %}
          REF: ${{ github.ref }}
{% endraw %}
""",
}


def write(folder: Path) -> Path:
    """Write the template to an empty folder, with the real hooks, and return it."""
    (folder / "cookiecutter.json").write_text(QUESTIONS, encoding="utf-8")
    shutil.copytree(TEMPLATE / "hooks", folder / "hooks")
    with (folder / "hooks/post_gen_project.py").open("a", encoding="utf-8") as hook:
        hook.write(OWNED)
    for path, text in FILES.items():
        file = folder / FOLDER / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


def change(template: Path, path: str, old: str, new: str) -> None:
    """Replace a text that stands in a file of the template, which must be there."""
    file = template / FOLDER / path
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{path} does not hold {old!r}"
    file.write_text(text.replace(old, new), encoding="utf-8")

"""Generated projects, lived in: installed in fresh environments and really used.

Each value of each question is lived at least once, the Pythons among them; the first
test holds that. What is run is what people run: the guide's commands as they stand, and
every command of the generated README. All code is type-checked on every Python.
"""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from moto.server import ThreadedMotoServer

from tests import own_data, readme
from tests.combinations.model import Model
from tests.generating import FOLDER, answered, questions
from tests.interpreters import interpreter
from tests.machine import environment, free_port
from tools import lock

TEMPLATE = Path(__file__).resolve().parents[1]

# name -> answers that differ from the defaults
LIVES = {
    "defaults": {},
    "bare regression": {
        "task": "regression",
        "license": "BSD-3-Clause",
        "python_version": "3.11",
        "preset": "minimal",
        "orchestration": "airflow",
    },
    "own CSV": {
        "preset": "custom",
        "project_name": 'Ünïcode "Quotes" \\ 🚀',
        "description": "- # {braces} 'quotes' \"double\" \\n مرحبا 🚀",
        "license": "Apache-2.0",
        "python_version": "3.13",
        "data_source": "own.csv",
        "target_column": own_data.TARGET,
        "data_versioning": "none",
        "experiment_tracking": "wandb",
        "serving": "bentoml",
        "monitoring": "nannyml",
        "orchestration": "zenml",
        "deployment": "none",
    },
    "Parquet from a URL": {
        "preset": "full",
        "license": "Proprietary",
        "python_version": "3.14",
        "task": "regression",
        "data_source": "http://localhost:{port}/own.parquet",
        "target_column": "visits",
        "serving": "flask",
        "ci": "none",
    },
}
# Each of its choices is lived where its tool runs: tests/test_orchestration.py.
ELSEWHERE = "orchestration"


def unlived() -> dict[str, dict[str, str]]:
    """Return lives with the choices that no life above has, such as new ones."""
    others: list[dict[str, str]] = []
    for question, values in questions().items():
        if isinstance(values, list) and question != ELSEWHERE:
            lived = {answered(**answers)[question] for answers in LIVES.values()}
            for number, value in enumerate(v for v in values if v not in lived):
                others += [{}] if number == len(others) else []
                others[number][question] = value
    return {", ".join(answers.values()): answers for answers in others}


LIVES |= unlived()

GUIDE = """
python -m venv .venv
source .venv/bin/activate
pip install -r requirements.txt
pip install -e .
cp .env.example .env
git init
dvc init
{remote}
dvc install
pytest tests/
python scripts/data_download.py
python src/data/preprocessing.py --config config/pipeline_config.yaml
python src/training/train.py \\
    --model-config config/model_config.yaml --env-config config/env/dev.yaml
python scripts/evaluation.py \\
    --model-path models/latest_model.joblib --test-data data/processed/test.csv
dvc repro
dvc push
rm -rf data/raw data/processed data/features models/latest_model.* .dvc/cache
dvc pull data/raw/
python scripts/data_download.py
dvc pull
dvc repro | tee second.log
grep --quiet "up to date" second.log
sed --in-place 's/max_iter: 100/max_iter: 50/' config/model_config.yaml
dvc repro | tee third.log
test "$(grep --count "Running stage" third.log)" = 2
grep --quiet "Running stage 'train'" third.log
grep --quiet "Running stage 'evaluate'" third.log
"""


@pytest.fixture
def web_server(folder: Path) -> Iterator[int]:
    """The port of a web server on this machine that offers what ``folder`` holds."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("localhost", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def generate(folder: Path, answers: dict[str, str]) -> Path:
    """Generate a project with cookiecutter's own command and return its folder."""
    given = [f"{question}={answer}" for question, answer in answers.items()]
    command = ["cookiecutter", str(TEMPLATE), "--no-input", "-o", str(folder)]
    subprocess.run([*command, *given], check=True)
    (project,) = (path.parent for path in folder.glob("*/requirements.txt"))
    return project


def test_every_value_of_every_question_is_lived() -> None:
    choices = {
        name: values
        for name, values in questions().items()
        if isinstance(values, list) and name != ELSEWHERE
    }
    missing = {
        f"{question}={value}"
        for question, values in choices.items()
        for value in values
        if all(answered(**answers)[question] != value for answers in LIVES.values())
    }
    assert not missing


@pytest.mark.slow
@pytest.mark.parametrize("life", LIVES)
def test_every_command_of_the_readme_works(
    life: str, folder: Path, web_server: int
) -> None:
    answers = LIVES[life]
    # A machine without the newest lives it on the one before, as its owner would.
    python = interpreter(answers.get("python_version", "3.12"), or_before=True)
    own_data.write_csv(folder / "own.csv")
    answers = {
        key: text.format(port=web_server) if "{port}" in text else text
        for key, text in answers.items()
    }
    project = generate(folder, answers)
    variables = environment(python)
    commands = readme.runnable(readme.blocks(project / "README.md"))
    # Several lives at once cannot all have the port that the README names.
    port = free_port()
    commands = [text.replace(":8000", f":{port}") for text in commands]
    # The same tests, and a life in which they leave out too much fails.
    commands = [text.replace("make test\n", "make coverage\n") for text in commands]
    variables["SERVING_PORT"] = str(port)
    setup = [commands.pop(0), "deactivate 2> /dev/null || true"]
    if "parquet" in answers.get("data_source", ""):
        to_parquet = (
            f"pd.read_csv(r'{folder}/own.csv').to_parquet(r'{folder}/own.parquet')"
        )
        setup.append(f'.venv/bin/python -c "import pandas as pd; {to_parquet}"')
    dictionaries = project.glob("docs/data_dictionaries/*.md")
    shipped = {path: path.read_text(encoding="utf-8") for path in dictionaries}
    readme.run([*setup, *commands], project, variables)
    # What comes with a sample is what a run writes, so that git shows no difference.
    for path, text in shipped.items():
        assert path.read_text(encoding="utf-8") == text


def code_of_all_choices() -> list[dict[str, str]]:
    """Return answers for as few projects as hold each file of code that answers own.

    A file that is added to the table of the hook is in one of them.
    """
    model = Model(TEMPLATE)
    code = [p for p in model.paths if p.endswith(".py") and model.owners[p]]
    asked = frozenset().union(*(model.owners[path] for path in code))
    left, projects = set(code), list[dict[str, str]]()
    while left:
        answers, held = max(
            (
                (answers, {path for path in left if model.landing(path, answers)})
                for answers in model.questions.assignments(asked)
            ),
            key=lambda project: len(project[1]),
        )
        left -= held
        projects.append(answers)
    return projects


def test_code_of_all_choices_is_in_few_projects() -> None:
    assert len(code_of_all_choices()) <= 5


@pytest.mark.slow
@pytest.mark.parametrize("version", lock.PYTHONS)
def test_the_code_of_every_choice_passes_the_linters(
    version: str, folder: Path
) -> None:
    python = interpreter(version)
    home, constraints = folder / "environment", FOLDER / "constraints.txt"
    wanted = folder / "requirements.txt"  # of all choices at once: one installation
    text = (FOLDER / "requirements.txt").read_text(encoding="utf-8")
    wanted.write_text(lock.requirements_of_all_choices(text), encoding="utf-8")
    uv = ["uv", "--quiet"]
    subprocess.run([*uv, "venv", f"--python={python}", home], check=True)
    install = [*uv, "pip", "install", f"--python={home}", "-r", wanted]
    subprocess.run([*install, "-c", constraints], check=True)
    said = []
    for number, answers in enumerate(code_of_all_choices()):
        project = generate(folder / str(number), answers)
        done = subprocess.run(
            ["make", "lint", f"PYTHON={home}/bin/python"],
            cwd=project,
            env=os.environ | {"MYPY_CACHE_DIR": str(folder / "cache")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            said.append(f"{answers}:\n{done.stdout}")
    assert not said, "\n".join(said)


@pytest.fixture
def bucket(folder: Path) -> Iterator[int]:
    """The port of an S3 server on this machine, with a bucket called storage."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    request = Request(f"http://{host}:{port}/storage", method="PUT")
    urlopen(request, timeout=10).close()
    yield port
    server.stop()


def check_known_gap(reports: Path) -> None:
    """The report of the census sample shows what is known of it.

    Men are predicted to earn more than $50,000 far more often than women; by how much
    is no chance, and the page says so.
    """
    content = json.loads((reports / "evaluation.json").read_text())
    found = content["audits"]["fairness"]["columns"]["sex"]
    women, men = (found["groups"][g]["selection_rate"] for g in ("Female", "Male"))
    assert women["high"] < men["low"]
    for name in ("demographic_parity_difference", "equalized_odds_difference"):
        gap = found["differences"][name]
        assert (gap["most"], gap["least"]) == ("Male", "Female")
    assert found["differences"]["demographic_parity_difference"]["value"] > 0.1
    page = (reports / "evaluation.html").read_text(encoding="utf-8")
    section = page.partition("<h2>Fairness</h2>")[2].partition("</section>")[0]
    groups, differences = section.partition("<h3>sex: differences</h3>")[::2]
    assert "<h3>sex</h3>" in groups
    for group in ("Female", "Male"):
        assert f'<th scope="row">{group}</th>' in groups
    assert "demographic parity difference" in differences
    assert "Male above Female" in differences


LOCAL = "dvc remote add --default storage ../storage"
S3 = """\
dvc remote add --default storage s3://storage/project
dvc remote modify storage endpointurl http://127.0.0.1:{port}
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "remote"),
    [("3.11", LOCAL), ("3.13", S3)],
    ids=["3.11, local remote", "3.13, S3 remote"],
)
def test_the_commands_of_the_guide_work_verbatim(
    version: str, remote: str, folder: Path, bucket: int
) -> None:
    project = generate(folder, {})
    commands = GUIDE.format(remote=remote.format(port=bucket))
    readme.run([commands], project, environment(interpreter(version)))
    check_known_gap(project / "reports")

"""The questions, what follows from an answer, and free text that comes out intact."""

import json
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from cookiecutter.generate import generate_context
from cookiecutter.utils import create_env_with_context
from markdown_it import MarkdownIt

from tests.combinations.answers import DECLINING
from tests.generating import (
    FOLDER,
    NASTY,
    TEMPLATE,
    answered,
    cookiecutter,
    files,
    generate,
    load_hook,
    questions,
    typed,
)
from tools.lock import taken_slugs

HOOK = load_hook("pre_gen_project")
QUESTIONS = questions()
ASKED = [name for name in QUESTIONS if not name.startswith("_")]
CHOICES = {name: values for name, values in QUESTIONS.items() if name in ASKED}
CHOICES = {name: values for name, values in CHOICES.items() if isinstance(values, list)}
PROMPTS = QUESTIONS["__prompts__"]
PRESETS = QUESTIONS["_presets"]
OWN_DATA = {"data_source": "https://example.com/a.csv", "target_column": "y"}


def test_every_question_has_a_line_that_fits_a_terminal() -> None:
    assert list(PROMPTS) == ASKED
    for prompt in PROMPTS.values():
        typed_in = isinstance(prompt, str)
        line = f"{prompt} (sample)" if typed_in else prompt["__prompt__"]
        assert len(f"  [10/14] {line}: ") <= 80


@pytest.mark.parametrize("question", CHOICES)
def test_every_choice_says_what_it_brings_in_an_aligned_line(question: str) -> None:
    lines = [PROMPTS[question][choice] for choice in CHOICES[question]]
    assert set(PROMPTS[question]) <= {
        "__prompt__",
        *CHOICES[question],
        *QUESTIONS["preset"],
    }
    assert len({line.index(" - ") for line in lines}) == 1
    assert all(len(f"    1 - {line}") <= 80 for line in lines)


@pytest.mark.parametrize(
    ("question", "choice"),
    [(question, choice) for question in CHOICES for choice in CHOICES[question]],
)
def test_every_choice_can_be_given_on_the_command_line(
    question: str, choice: str
) -> None:
    assert answered(**{question: choice})[question] == choice


@pytest.mark.parametrize("preset", QUESTIONS["preset"])
def test_a_preset_answers_what_is_asked_of_parts_until_somebody_does(
    preset: str,
) -> None:
    answers = answered(preset=preset)
    for question, choices in PRESETS.items():
        assert answers[question] == choices[preset]
    assert answers["preset"] == preset
    answers = answered(preset=preset, serving="flask", ci="none")
    assert (answers["serving"], answers["ci"]) == ("flask", "none")
    assert answers["deployment"] == PRESETS["deployment"][preset]


def test_a_preset_watches_no_service_where_there_is_none() -> None:
    assert answered(preset="full")["monitoring"] == "evidently"
    answers = answered(preset="full", serving="none")
    assert answers["monitoring"] == "none"
    assert HOOK.find_problems(answers) == []
    answers = answered(preset="full", serving="none", monitoring="evidently")
    assert answers["monitoring"] == "evidently"  # what somebody chose is refused
    assert [question for question, _ in HOOK.find_problems(answers)] == ["monitoring"]


@pytest.mark.parametrize("question", PRESETS)
def test_the_minimal_preset_declines_each_part_and_the_full_one_none(
    question: str,
) -> None:
    choices = PRESETS[question]
    assert list(choices) == QUESTIONS["preset"]
    assert set(choices.values()) <= set(CHOICES[question])
    assert choices["minimal"] in DECLINING and choices["full"] not in DECLINING
    for preset, choice in choices.items():  # the label says what the key Return gives
        said = PROMPTS[question][preset].partition(": ")[2]
        assert PROMPTS[question][choice].startswith((f"{said} ", "W&B"))


def test_who_presses_return_at_each_question_gets_the_preset(tmp_path: Path) -> None:
    typed_in = "2\n" + "\n" * len(ASKED)  # minimal
    asked = cookiecutter("-o", str(tmp_path / "asked"), prompt=typed_in)
    assert asked.returncode == 0, asked.stderr
    assert "1 - minimal: none" in asked.stdout
    given = generate(tmp_path / "given", preset="minimal")
    assert files(tmp_path / "asked" / given.name) == files(given)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Churn of Customers", "churn-of-customers"),
        ("Prédiction d'Été à Łódź", "prediction-d-ete-a-lodz"),
        ("北京 房价", "bei-jing-fang-jie"),
        ("توقع", "twq"),
        ("🚀🚀", "ml-project"),
        ("...", "ml-project"),
        ("2026", "2026"),
        ("x" * 200, "x" * 63),
        ("x" * 62 + " y", "x" * 62),
        ("CON", "con-project"),
        ("pandas", "pandas-project"),
        ("Scikit_Learn", "scikit-learn-project"),
        ("'; rm -rf / #", "rm-rf"),
        (NASTY, None),
    ],
)
def test_any_name_gives_a_slug_that_passes(name: str, slug: str | None) -> None:
    answers = answered(project_name=typed(name))
    assert answers["project_name"] == name
    assert slug in (None, answers["project_slug"])
    assert HOOK.find_problems(answers) == []


def test_taken_slugs_are_what_the_project_installs_and_what_windows_reserves() -> None:
    constraints = (FOLDER / "constraints.txt").read_text(encoding="utf-8")
    taken = QUESTIONS["_taken_slugs"]
    assert taken == taken_slugs(constraints), "`make lock` renews cookiecutter.json"
    assert {"pandas", "con", "pip"} <= set(taken.split())


@pytest.mark.parametrize(
    ("source", "configured"),
    [
        ("sample", "data/sample/census_income.csv.gz"),
        ("https://example.com/a.csv", "https://example.com/a.csv"),
        ("/data/a b.csv", "/data/a b.csv"),
        ("~/a.csv", "~/a.csv"),
        ("C:\\data\\a.csv", "C:\\data\\a.csv"),
        ("a.csv", "../a.csv"),
        ("./data/a.csv", ".././data/a.csv"),
        ("../a.csv", "../../a.csv"),
    ],
)
def test_a_relative_path_counts_from_where_the_project_is_generated(
    source: str, configured: str
) -> None:
    assert answered(data_source=source)["__source"] == configured


@pytest.mark.parametrize("output", [".", "elsewhere/deep", "{folder}/elsewhere"])
def test_a_relative_path_counts_from_the_output_folder_that_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / output.format(folder=tmp_path)
    (folder / "data").mkdir(parents=True)
    (folder / "data/own.csv").write_text("a,y\n1,2\n")
    answers = {"data_source": "data/own.csv", "target_column": "y"}
    given = [f"{question}={answer}" for question, answer in answers.items()]
    finished = cookiecutter("-o", output.format(folder=tmp_path), *given)
    assert finished.returncode == 0, finished.stderr
    project = folder / "my-ml-project"
    settings = yaml.safe_load((project / "config/pipeline_config.yaml").read_bytes())
    assert (project / settings["data"]["source"]).resolve() == folder / "data/own.csv"


def test_one_data_file_beside_the_shell_is_not_one_beside_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.csv").write_text("a,y\n1,2\n")
    answers = ["data_source=own.csv", "target_column=y"]
    finished = cookiecutter("-o", "elsewhere", *answers)
    assert finished.returncode == 1
    assert f"{tmp_path / 'elsewhere/own.csv'} does not" in finished.stderr


def test_only_the_sample_offers_a_column_to_predict() -> None:
    assert answered()["target_column"] == "income"
    assert answered(task="regression")["target_column"] == "bikers"
    assert answered(data_source="own.csv")["target_column"] == ""


# What is said after generation, and nothing besides.


@pytest.mark.parametrize(
    ("answers", "first"),
    [({}, "make pipeline"), (OWN_DATA, "make data")],
    ids=["sample", "own data"],
)
def test_generation_says_where_the_project_is_and_three_commands(
    tmp_path: Path, answers: dict[str, str], first: str
) -> None:
    given = [f"{question}={answer}" for question, answer in answers.items()]
    folder = tmp_path / "a 'b' ü"
    finished = cookiecutter("-o", str(folder), *given)
    project = folder / "my-ml-project"
    untold, path, *commands = finished.stdout.splitlines()
    assert untold == load_hook("post_gen_project").UNTOLD  # of a copy of the template
    assert finished.stderr == ""
    assert path == f"{project} is there. Next:"
    assert commands == [
        f"  cd {shlex.quote(str(project))}",
        "  make setup",
        f"  {first}",
    ]
    in_turn = f"{commands[0]} && make -n setup && make -n {first.split()[1]}"
    subprocess.run(["bash", "-c", in_turn], check=True, capture_output=True)


def test_generation_succeeds_where_its_path_cannot_be_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    finished = cookiecutter("-o", str(tmp_path / "ü"))
    assert finished.returncode == 0, finished.stderr
    assert "\\xfc/my-ml-project is there." in finished.stdout


# What somebody sees whose answer Cookiecutter itself does not take, as docs/answers.md
# says: no hook has a say in these.


def test_a_choice_in_another_case_is_refused_by_cookiecutter_with_the_choices(
    tmp_path: Path,
) -> None:
    finished = cookiecutter("-o", str(tmp_path), "serving=FastAPI")
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1] == (
        "ValueError: FastAPI provided for choice variable serving, but the choices are "
        "['{{ cookiecutter.preset }}', 'fastapi', 'flask', 'bentoml', 'none']."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_question_that_is_not_asked_is_passed_over_by_cookiecutter(
    tmp_path: Path,
) -> None:
    assert files(generate(tmp_path / "a", servin="none")) == files(
        generate(tmp_path / "b")
    )


@pytest.mark.parametrize("choice", ["responsible_ai: no", "python_version: 3.13"])
def test_a_choice_without_quotes_in_a_file_is_dropped_with_all_that_follow(
    choice: str,
) -> None:
    given = yaml.safe_load(f"{choice}\nlicense: Proprietary")
    file = str(TEMPLATE / "cookiecutter.json")
    with pytest.warns(UserWarning, match="Invalid default received"):
        context = generate_context(file, default_context=given)
    assert context["cookiecutter"]["license"][0] == "MIT"
    question, _, answer = choice.partition(": ")
    given[question] = answer
    context = generate_context(file, default_context=given)
    assert context["cookiecutter"]["license"][0] == "Proprietary"


def test_such_a_file_is_refused_where_warnings_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "team.yaml"
    settings.write_text("default_context:\n  responsible_ai: no\n")
    monkeypatch.setenv("PYTHONWARNINGS", "error::UserWarning")
    how = ("-o", str(tmp_path / "out"), "--config-file", str(settings))
    assert "Invalid default received" in cookiecutter(*how).stderr
    assert not (tmp_path / "out").exists()


# Text that YAML reads as something else.


@pytest.mark.parametrize(
    "text",
    ["on", "off", "yes", "no", "true", "false", "null", "y", "2020-01-01", "1_000"]
    + ["1e3", "0x1f", "0o17", "017", "12", "1-2", "nan", "2020"],
)
def test_a_name_that_yaml_reads_as_something_else_stays_text(text: str) -> None:
    environment = create_env_with_context({"cookiecutter": QUESTIONS})
    file = FOLDER / "config/pipeline_config.yaml"
    template = environment.from_string(file.read_text(encoding="utf-8"))
    for name in (text, text.title(), text.upper()):
        answers = answered(project_name=name, project_slug=text, description=name)
        assert HOOK.find_problems(answers) == []
        settings = yaml.safe_load(template.render(cookiecutter=answers))
        assert settings["project"] == {"name": name, "description": name}
        assert settings["registry"]["model"] == text
        assert settings["tracking"]["experiment"] == text


# Free text. What a file quotes is read back with the parser of its format.


def read_toml(path: Path) -> dict:
    """Return what a TOML file holds."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def as_shown(markdown: str) -> list[str]:
    """Return the text of headings and paragraphs as a reader sees it."""
    blocks = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)
    return [
        "".join(span.content for span in block.children or ())
        for block in blocks
        if block.type == "inline"
    ]


def assert_intact(project: Path, name: str, description: str, author: str) -> None:
    """Find the texts, as they are, wherever a project names them."""
    metadata = read_toml(project / "pyproject.toml")["project"]
    assert metadata["description"] == description
    assert metadata["authors"][0]["name"] == author
    settings = yaml.safe_load(
        (project / "config/pipeline_config.yaml").read_text(encoding="utf-8")
    )
    assert settings["project"] == {"name": name, "description": description}
    assert author in (project / "LICENSE").read_text(encoding="utf-8")
    shown = as_shown((project / "README.md").read_text(encoding="utf-8"))
    assert shown[0] == name
    assert shown[1] == f"About: {description}"


def assert_parses(project: Path) -> None:
    """Parse every file of a format that has a parser here."""
    for path in files(project):
        text = (project / path).read_bytes()
        if path.endswith((".yaml", ".yml")):
            list(yaml.safe_load_all(text))
        elif path.endswith(".toml"):
            tomllib.loads(text.decode())
        elif path.endswith((".json", ".ipynb")):
            json.loads(text)
        elif path.endswith(".py"):
            compile(text, path, "exec")


def test_free_text_on_the_command_line_comes_out_intact(tmp_path: Path) -> None:
    source = tmp_path / "a 'b' {c} ü.csv"
    source.write_text(f'"{NASTY.replace(chr(34), chr(34) * 2)}",y\n1,2\n', "utf-8")
    project = generate(
        tmp_path,
        project_name=typed(NASTY),
        project_slug="intact",
        description=typed(NASTY * 3),
        author_name=typed(NASTY),
        license="BSD-3-Clause",
        data_source=typed(source.name),
        target_column=typed(NASTY),
    )
    assert_intact(project, NASTY, NASTY * 3, NASTY)
    settings = yaml.safe_load((project / "config/pipeline_config.yaml").read_bytes())
    assert settings["data"]["source"] == f"../{source.name}"
    assert settings["data"]["target"] == NASTY
    about = as_shown((project / "README.md").read_text(encoding="utf-8"))[2]
    assert f"for the column {NASTY} of" in about
    assert f"../{source.name}." in about
    assert_parses(project)


def test_free_text_at_the_prompt_comes_out_intact_and_so_does_its_replay(
    tmp_path: Path,
) -> None:
    lines = dict.fromkeys(ASKED, "")
    lines |= {"project_name": NASTY, "project_slug": "intact"}
    lines |= {"description": f"{NASTY} {{{{ y", "author_name": "O'Neil {%"}
    typed_in = "".join(f"{line}\n" for line in lines.values())
    asked = cookiecutter("-o", str(tmp_path / "asked"), prompt=typed_in)
    assert asked.returncode == 0, asked.stderr
    project = tmp_path / "asked" / "intact"
    texts = (lines["project_name"], lines["description"], lines["author_name"])
    assert_intact(project, *texts)
    assert_parses(project)

    again = cookiecutter("-o", str(tmp_path / "again"), "--replay")
    assert again.returncode == 0, again.stderr
    assert_intact(tmp_path / "again" / "intact", *texts)

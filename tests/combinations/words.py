"""A declined choice leaves no word of it in any file."""

import re
from collections.abc import Iterator

from tests.combinations.facts import Name, gather
from tests.combinations.model import Model, Problem, shown

# question -> choices -> the words that only a project with one of them may hold, where
# these are more than the name of the choice
WORDS = {
    "data_versioning": {("dvc",): r"\.?dvc\w*"},
    "experiment_tracking": {
        ("mlflow",): r"mlflow\w*|mlruns",
        ("wandb",): r"wandb\w*|weights (?:&|and) biases",
    },
    "responsible_ai": {("yes",): r"shap|fairlearn|responsible[_ ]ai\w*"},
    "serving": {
        ("fastapi",): r"fastapi",
        ("flask",): r"flask|gunicorn|werkzeug",
        ("bentoml",): r"bento\w*",
        ("fastapi", "bentoml"): r"uvicorn|starlette",
        ("fastapi", "flask", "bentoml"): r"httpx2?|(?<!\.)onnx\w*|"
        # Prefect has a method of this name, and a server with this path.
        r"(?<!pipeline\.)serv(?:e|es|ed|ing)|(?<!\.)(?<!:4200/)apis?|endpoints?",
    },
    "monitoring": {
        ("evidently", "nannyml"): r"(?:[\w.]+-)?monitor\w*|drift\w*",
        ("evidently",): r"evidently",
        ("nannyml",): r"nannyml",
    },
    "orchestration": {
        ("prefect", "airflow", "zenml", "kubeflow"): r"(?:[\w.]+-)?orchestration|flows|"
        r"FAILURE_WEBHOOK",
        ("prefect",): r"\.?prefect\w*",
        ("airflow",): r"\.?airflow\w*|dags?",
        ("zenml",): r"\.?zenml\w*",
        ("kubeflow",): r"\.?kubeflow|kfp",
    },
    "deployment": {("docker",): r"\.?docker\w*|containers?|containeri[sz]ed?"},
    "ci": {("github",): r"\.?github|(?:tests|deploy)\.yml"},
}

# The pins of all choices at once, as a constraint installs nothing.
EXEMPT = ("constraints.txt",)


def traces(model: Model) -> list[Problem]:
    """Return the words of choices that were not made."""
    patterns = {
        owner: re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])", re.I)
        for owner, pattern in words(model).items()
    }

    def find(landing: str, text: str) -> Iterator[Name]:
        if landing.startswith(EXEMPT):
            return
        for (question, choices), pattern in patterns.items():
            for word in {found.group() for found in pattern.finditer(text)}:
                yield f"{question}={'|'.join(choices)}", word

    problems = []
    for (sort, word), facts in gather(model, find).items():
        question, _, choices = sort.partition("=")
        for fact in facts:
            questions = fact.questions(model) | {question}
            for answers in model.questions.assignments(questions):
                declined = answers[question] not in choices.split("|")
                if declined and fact.holds(model, answers):
                    message = f"says `{word}` though {sort} was declined"
                    problems.append(Problem(fact.landing, message, shown(answers)))
                    break
    return problems


def words(model: Model) -> dict[tuple[str, tuple[str, ...]], str]:
    """Return (question, choices) -> the words that only those choices may bring.

    A choice that is not listed has its own name, or that of a question with yes and no.
    """
    known = {
        (question, choices): pattern
        for question, listed in WORDS.items()
        for choices, pattern in listed.items()
        if question in model.questions.values
    }
    for question in model.questions.values:
        declined = model.questions.declining(question)
        for choice in model.questions.raw[question] if declined else []:
            listed = {c for choices in WORDS.get(question, {}) for c in choices}
            if choice != declined and choice not in listed:
                name = re.sub("[-_]", " ", question if choice == "yes" else choice)
                known[question, (choice,)] = re.escape(name).replace(r"\ ", "[-_ ]?")
    return known

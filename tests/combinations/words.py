"""A declined choice leaves no word of it in any file."""

import re
from collections.abc import Iterator

from tests.combinations.facts import Name, gather
from tests.combinations.model import Model, Problem, shown

# question -> choices -> the words that only a project with one of them may hold
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
        ("fastapi", "flask", "bentoml"): r"httpx2?|(?<!\.)onnx\w*|serv(?:e|es|ed|ing)|"
        r"(?<!\.)apis?|endpoints?",
    },
    "deployment": {("docker",): r"\.?docker\w*|containers?|containeri[sz]ed?"},
    "ci": {("github",): r"\.?github|(?:tests|deploy)\.yml"},
}

# The pins of all choices at once, as a constraint installs nothing.
EXEMPT = ("constraints.txt",)


def traces(model: Model) -> list[Problem]:
    """Return the words of choices that were not made."""
    patterns = {
        (question, choices): re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.I)
        for question, known in WORDS.items()
        for choices, words in known.items()
        if question in model.questions.values
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


def without_words(model: Model) -> list[str]:
    """Return the choices that own files, can be declined, and have no words here."""
    return [
        f"{question}={choice}"
        for question, choices in model.hook.OWNED_PATHS.items()
        if (declined := model.questions.declining(question))
        for choice in choices
        if choice != declined
        if not any(choice in choices for choices in WORDS.get(question, {}))
    ]

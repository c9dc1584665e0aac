"""The whole check, with its figures."""

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.combinations import hygiene, parsers
from tests.combinations.linters import Linters
from tests.combinations.model import Model, Problem, shown
from tests.combinations.pins import check_pins
from tests.combinations.quoting import unquoted_answers
from tests.combinations.references import check_references
from tests.combinations.texts import distinct_texts, fenced_commands
from tests.combinations.words import traces


@dataclass
class Report:
    """What the check found, and what it took.

    Attributes:
        problems: What is wrong; empty if every combination is sound.
        combinations: Joint assignments of all questions, free text included.
        choices: The same, counting only questions with given choices.
        files: Files of the template.
        renders: Times that a piece of a file was rendered.
        assembled: Texts that were put together from rendered pieces.
        texts: Distinct ones, each checked once.
        references: References from one file to another.
        joint: Joint assignments over which they were checked.
        seconds: How long it took.
    """

    problems: list[Problem] = field(default_factory=list)
    combinations: int = 0
    choices: int = 0
    files: int = 0
    renders: int = 0
    assembled: int = 0
    texts: int = 0
    references: int = 0
    joint: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        """Return the figures, and the problems below them."""
        figures = (
            f"{self.combinations:,} combinations of answers "
            f"({self.choices:,} of the choices alone)\n"
            f"{self.files:,} files, {self.renders:,} renders, "
            f"{self.assembled:,} assembled, {self.texts:,} distinct texts checked\n"
            f"{self.references:,} references over {self.joint:,} joint assignments\n"
            f"{self.seconds:.1f} s: {self.combinations / self.seconds:,.0f} "
            f"combinations per second"
        )
        return "\n".join([figures, *self.lines()])

    def lines(self) -> list[str]:
        """Return each problem once, with the first answers that bring it about."""
        cases: dict[tuple[str, str], list[Problem]] = {}
        for problem in self.problems:
            cases.setdefault((problem.path, problem.message), []).append(problem)
        return [
            f"{first}" + (f" and {len(others)} more" if others else "")
            for _, (first, *others) in sorted(cases.items())
        ]


def check(template: Path) -> Report:
    """Check every combination of answers of the template in a folder."""
    started = time.perf_counter()
    model = Model(template)
    questions = model.questions
    texts, problems, assembled = distinct_texts(model)
    texts |= fenced_commands(texts)
    problems = [*model.problems, *problems]
    problems += hygiene.left_over_jinja(model) + hygiene.python_with_jinja(model)
    problems += unquoted_answers(model)
    with tempfile.TemporaryDirectory() as folder:
        with Linters(Path(folder)).start(model, texts) as linters:
            for text, assignment in texts.items():
                says = [*hygiene.spacing(text), *parsers.problems_of(text)]
                problems += [Problem(text.path, s, shown(assignment)) for s in says]
            references = check_references(model)
            problems += references.problems + traces(model) + check_pins(model)
            problems += linters.results()
    with_choices = [n for n in questions.values if isinstance(questions.raw[n], list)]
    return Report(
        problems=problems,
        combinations=questions.count(questions.values),
        choices=questions.count(with_choices),
        files=len(model.paths),
        renders=model.renders,
        assembled=assembled,
        texts=len(texts),
        references=references.count,
        joint=references.joint,
        seconds=time.perf_counter() - started,
    )

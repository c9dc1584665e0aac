"""Every answer in a YAML file stands in quotes: YAML reads ``on`` as true."""

import re
from collections.abc import Iterator

import yaml
from jinja2 import TemplateError, nodes

from tests.combinations.answers import variables_in
from tests.combinations.kinds import kind_of
from tests.combinations.model import Model, Problem, shown

# What is rendered in the place of an answer, with the line of the template it is from.
MARK = "ANSWER-OF-LINE-{}-"
MARKED = re.compile(MARK.format(r"(\d+)"))


def unquoted_answers(model: Model) -> list[Problem]:
    """Return where the text that somebody typed or chose is a plain scalar of YAML."""
    problems = []
    environment = model.questions.environment
    for path in model.pieces:
        if kind_of(path) not in ("yaml", "workflow"):
            continue
        source = (model.folder / path).read_text(encoding="utf-8")
        tree = environment.parse(source)
        variables = variables_in(tree)
        template = environment.from_string(_marked(tree))
        for answers in model.questions.assignments(model.questions.closure(variables)):
            value = model.questions.value
            names = {name: value(name, answers) for name in variables}
            try:
                lines = set(_plain(template.render(cookiecutter=names)))
            except (TemplateError, yaml.YAMLError):
                continue  # the parsers of this package say what is wrong with it
            problems += [
                Problem(path, f"line {line}: an answer without quotes", shown(answers))
                for line in lines
            ]
    return problems


def _marked(tree: nodes.Template) -> nodes.Template:
    """Put the mark in the place of each expression whose value may be an answer."""
    for output in tree.find_all(nodes.Output):
        output.nodes = [_mark(node) for node in output.nodes]
    return tree


def _mark(node: nodes.Expr) -> nodes.Expr:
    """Return an expression with marks, the words of the template's author kept."""
    if isinstance(node, nodes.CondExpr):
        node.expr1 = _mark(node.expr1)
        node.expr2 = node.expr2 and _mark(node.expr2)
        return node
    is_text = isinstance(node, nodes.TemplateData | nodes.Const)
    return node if is_text else nodes.Const(MARK.format(node.lineno))


def _plain(text: str) -> Iterator[str]:
    """Yield the lines of the template whose answers are in scalars without quotes."""
    for token in yaml.scan(text):
        if isinstance(token, yaml.ScalarToken) and token.style is None:
            yield from MARKED.findall(token.value)

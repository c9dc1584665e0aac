"""What the audits say of the configured model, and that their limits decide."""

import sys
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts import promote as command
from src.audits import explanation, fairness
from src.audits.settings import AuditSettings
from src.data.preprocessing import preprocess
from src.data.schema import DataSchema, load_schema, write_schema
from src.evaluation import pictures
from src.evaluation.report import write_report
from src.evaluation.run import Evaluated, evaluate_model
from src.evaluation.slices import slice_masks
from src.models.directory_registry import DirectoryRegistry
from src.training.train import train
from src.utils.config import RegistrySettings, Settings
from tests.fixtures.synthetic import bring, make_frame, make_settings

# An audit, the key of a limit, and what the rule of the gate is called.
LIMITS = [
    (
        "fairness",
        "demographic_parity_difference",
        "demographic parity difference by city",
    ),
    ("fairness", "equalized_odds_difference", "equalized odds difference by city"),
    ("fairness", "selection_rate", "difference of selection rate by city"),
    ("explanation", "max_share", "share of income in what the model goes by"),
]


@pytest.fixture(scope="module")
def evaluated(configured: Settings) -> tuple[Evaluated, str]:
    """The configured model on the configured test rows, and the page about it."""
    model = configured.paths.models / "latest_model.joblib"
    result = evaluate_model(model, configured.paths.processed / "test.csv", configured)
    report = write_report(result.evaluation, result.subject, configured)
    return result, report.page.read_text("utf-8")


def found_by(result: Evaluated, name: str) -> dict[str, Any]:
    """Return the figures of an audit."""
    (found,) = (audit for audit in result.subject.audits if audit.name == name)
    return found.content


def section_of(page: str, title: str) -> str:
    """Return a section of the page, with text as people read it."""
    return unescape(page.partition(f"<h2>{title}</h2>")[2].partition("</section>")[0])


def groups_of(result: Evaluated, schema: DataSchema, least: int) -> dict[str, Any]:
    """Return the sensitive columns that have groups to compare, with their rows."""
    groups = {}
    for name in (c for c in schema.sensitive if c in result.test):
        masks = slice_masks(result.test[name], schema.columns[name].type)
        large = {label: mask for label, mask in masks.items() if mask.sum() >= least}
        if len(large) > 1:
            groups[name] = large
    return groups


def test_every_sensitive_column_is_in_the_report_group_by_group(
    configured: Settings, evaluated: tuple[Evaluated, str]
) -> None:
    result, page = evaluated
    schema = load_schema(configured.data.schema_path, configured)
    expected = groups_of(result, schema, configured.evaluation.min_slice_rows)
    columns = found_by(result, "fairness")["columns"]
    assert columns.keys() == expected.keys()
    section = section_of(page, "Fairness")
    assert section
    said = result.pipeline.predict(result.test)
    actual = result.test[schema.target].to_numpy()
    for name, groups in expected.items():
        assert f"<h3>{name}</h3>" in section
        assert columns[name]["groups"].keys() == groups.keys()
        for label, mask in groups.items():
            assert f'<th scope="row">{label}</th>' in section
            figures = columns[name]["groups"][label]
            assert figures["rows"] == mask.sum()
            if configured.task == "classification":
                share = (said == actual)[mask].mean()
                assert figures["accuracy"]["value"] == pytest.approx(share)
            else:
                error = np.abs(said - actual)[mask].mean()
                assert figures["mean_absolute_error"]["value"] == pytest.approx(error)
        for found in columns[name]["differences"].values():
            assert f"{found['most']} above {found['least']}" in section


def test_what_the_model_goes_by_is_in_the_report(
    configured: Settings, evaluated: tuple[Evaluated, str]
) -> None:
    result, page = evaluated
    schema = load_schema(configured.data.schema_path, configured)
    shares = found_by(result, "explanation")["shares"]
    assert set(shares) <= set(schema.features)
    assert sum(shares.values()) == pytest.approx(1)
    section = section_of(page, "Explanation")
    for name in shares:
        assert f'<th scope="row">{name}</th>' in section


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A made-up project that is trained, whose column ``city`` is sensitive."""
    folder = tmp_path_factory.mktemp("audited")
    make_frame("classification", 600).to_csv(folder / "source.csv", index=False)
    audits = {"audits": ["explanation", "fairness"], "min_slice_rows": 20}
    settings = make_settings(folder, "classification", evaluation=audits)
    schema = bring(settings).model_copy(update={"sensitive": ["city"]})
    write_schema(schema, settings.data.schema_path)
    preprocess(settings)
    train(settings)
    return settings


Promote = Callable[[dict[str, Any]], Settings]


@pytest.fixture
def promote(
    trained: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Promote:
    """The command, as a function of limits; registry and reports are the test's own."""
    (tmp_path / "intended_use.md").write_text("To test.", "utf-8")
    folders = {"models": tmp_path / "models", "reports": tmp_path / "reports"}
    settings = trained.model_copy(
        update={
            "paths": trained.paths.model_copy(update=folders),
            "registry": RegistrySettings(cards=tmp_path),
        }
    )
    model = trained.paths.models / "latest_model.joblib"
    monkeypatch.setattr(sys, "argv", ["promote.py", "--model-path", str(model)])
    monkeypatch.setattr(command, "settings_from", lambda _: settings)
    monkeypatch.setattr(pictures.draw, "to_svg", lambda _: "<svg/>")  # not looked at

    def run(limits: dict[str, Any]) -> Settings:
        chosen = AuditSettings.model_validate(limits)
        for module in (explanation, fairness):
            monkeypatch.setattr(module, "load_audit_settings", lambda: chosen)
        command.main()
        return settings

    return run


def limits_of(audit: str, key: str, limit: float) -> dict[str, Any]:
    """Return settings of the audits with one limit."""
    if audit == "fairness":
        return {audit: {"bootstrap_samples": 20, "limits": {key: limit}}}
    return {audit: {key: limit}}


@pytest.mark.parametrize(("audit", "key", "rule"), LIMITS)
def test_a_limit_that_is_broken_refuses_the_model_and_is_named(
    promote: Promote,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    audit: str,
    key: str,
    rule: str,
) -> None:
    with pytest.raises(SystemExit) as ended:
        promote(limits_of(audit, key, 0.05))

    assert ended.value.code == 1
    said = capsys.readouterr().out
    assert f"NO {rule}: " in said and "version 1 is refused: " in said
    assert f"| ❌ | {rule} |" in (tmp_path / "reports/gate.md").read_text("utf-8")
    page = (tmp_path / "reports/evaluation.html").read_text("utf-8")
    assert rule in page.partition("<h2>Gate</h2>")[2]
    registry = DirectoryRegistry(tmp_path / "models/registry")
    assert registry.champion() is None
    event = registry.history()[-1]
    assert event.action == "reject" and rule in event.why


@pytest.mark.parametrize(("audit", "key", "rule"), LIMITS)
def test_a_limit_that_is_held_lets_the_model_pass(
    promote: Promote,
    capsys: pytest.CaptureFixture[str],
    audit: str,
    key: str,
    rule: str,
) -> None:
    promote(limits_of(audit, key, 0.95))

    said = capsys.readouterr().out
    assert f"ok {rule}: " in said and "version 1 is the champion" in said

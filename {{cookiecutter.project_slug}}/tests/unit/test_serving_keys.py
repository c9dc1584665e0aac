"""Who may ask."""

import logging
from pathlib import Path

import pytest

from src.serving import keys as module
from src.serving.keys import ApiKeys
from src.serving.settings import ServingSettings


class Clock:
    """A clock that goes on when a test says so."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text("first\n\n# of the batch job\n  second \n", encoding="utf-8")
    return path


def keys_of(**serving: object) -> ApiKeys:
    return ApiKeys(ServingSettings.model_validate(serving))


def test_without_keys_everybody_may_ask() -> None:
    keys = keys_of()
    assert not keys.are_asked_for
    assert keys.allow(None)
    assert keys.allow("any")


@pytest.mark.parametrize("given", [None, "", "secre", "secret ", "SECRET", "\u20ac"])
def test_with_a_key_only_who_knows_it_may_ask(given: str | None) -> None:
    keys = keys_of(api_key="secret")
    assert keys.are_asked_for
    assert keys.allow("secret")
    assert not keys.allow(given)


@pytest.mark.parametrize("given", ["first", "second", "own"])
def test_every_key_of_the_file_and_that_of_the_settings_is_valid(
    file: Path, given: str
) -> None:
    keys = keys_of(api_key="own", api_keys_file=file)
    assert keys.allow(given)
    assert not keys.allow("third")
    assert not keys.allow("# of the batch job")


def test_a_key_that_is_not_ascii_is_valid_as_servers_decode_it(file: Path) -> None:
    file.write_text("schlüssel", encoding="utf-8")
    assert keys_of(api_keys_file=file).allow("schlüssel".encode().decode("latin-1"))


def test_the_file_is_read_again_after_a_second(file: Path, clock: Clock) -> None:
    keys = keys_of(api_keys_file=file)
    file.write_text("third\n", encoding="utf-8")
    assert keys.allow("first")
    clock.now += 1.1
    assert keys.allow("third")
    assert not keys.allow("first")


def test_all_keys_are_compared_whichever_is_right(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = keys_of(api_key="own", api_keys_file=file)
    compared: list[bytes] = []

    def compare(given: bytes, known: bytes) -> bool:
        compared.append(known)
        return given == known

    monkeypatch.setattr(module.hmac, "compare_digest", compare)
    for given in ("own", "second", "wrong", None):
        compared.clear()
        keys.allow(given)
        assert len(set(compared)) == 3


@pytest.mark.parametrize("text", [None, "", "\n# only a comment\n"])
def test_a_file_that_is_gone_or_empty_lets_nobody_in_until_it_has_keys_again(
    file: Path, clock: Clock, caplog: pytest.LogCaptureFixture, text: str | None
) -> None:
    keys = keys_of(api_keys_file=file)
    if text is None:
        file.unlink()
    else:
        file.write_text(text, encoding="utf-8")
    for _ in range(3):
        clock.now += 2
        for given in ("first", "", None):
            assert not keys.allow(given)
    errors = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert len(errors) == 1
    assert str(file) in errors[0].getMessage()
    file.write_text("first", encoding="utf-8")
    clock.now += 2
    assert keys.allow("first")


def test_a_file_that_was_never_there_lets_nobody_in(tmp_path: Path) -> None:
    keys = keys_of(api_keys_file=tmp_path / "none")
    assert keys.are_asked_for
    assert not keys.allow("")


def test_the_key_of_the_settings_outlives_the_file(file: Path, clock: Clock) -> None:
    keys = keys_of(api_key="own", api_keys_file=file)
    file.unlink()
    clock.now += 2
    assert keys.allow("own")
    assert not keys.allow("first")


def test_no_key_is_logged(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    keys_of(api_keys_file=file).allow("guessed")
    assert "2 keys" in caplog.text
    assert not any(key in caplog.text for key in ("first", "second", "guessed"))

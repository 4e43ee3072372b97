"""The command says what it does, and what is wrong in one sentence."""

import json
from pathlib import Path

import jwt
import pytest

from services.kit import cli, configuration, tokens


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT_VAR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", "postgresql://kept:hush-hush@127.0.0.1:1/postgres")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")


def test_a_token_says_who_it_is_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["token", "picker", "--subject", "badge-7", "--site", "east"]) == 0
    _, key = tokens.signing_key(tmp_path / "keys")
    told = jwt.decode(capsys.readouterr().out.strip(), key.public_key(), algorithms=["EdDSA"], audience="kept")
    assert (told["role"], told["sub"], told["site"]) == ("picker", "badge-7", "east")
    assert "channel" not in told


def test_a_role_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.run(["token", "emperor"])
    assert "storefront" in capsys.readouterr().err


def test_the_configuration_hides_secrets_and_tells_where_values_came_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["config"]) == 0
    told = capsys.readouterr().out
    assert "hush-hush" not in told
    (line,) = [line for line in told.splitlines() if line.startswith("DATABASE_URL")]
    assert "(secret)" in line and "environment" in line
    (line,) = [line for line in told.splitlines() if line.startswith("KEPT_CLOCK ")]
    assert "default" in line


def test_the_page_of_settings_does_not_depend_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    before = configuration.markdown()
    monkeypatch.setenv("KEPT_LOG_LEVEL", "debug")
    assert configuration.markdown() == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["status"], "start a stack with `make up`"),
        (["dead-letters", "list"], "a server does not answer"),
        (["dead-letters", "drop", "--service", "orders", "--reason", " ", "019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a01"], "needs a reason"),
        (["migrate"], "a server does not answer"),
    ],
)
def test_what_is_wrong_is_one_sentence(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(arguments) == 1
    told = capsys.readouterr().err
    assert sentence in told
    assert told.startswith("kept: ") and told.count("\n") == 1


def test_a_running_stack_is_found_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"):
        monkeypatch.delenv(name)
    (tmp_path / "stack.json").write_text(json.dumps({"kafka": "127.0.0.1:2", "database": "postgresql://kept@127.0.0.1:2/postgres", "services": {}}))
    assert cli.run(["config"]) == 0
    assert "127.0.0.1:2 " in capsys.readouterr().out


def test_what_is_for_the_embedded_stack_alone_is_left_out_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEPT_EMBEDDED", raising=False)
    elsewhere = cli.migrated_services()
    assert {"orders", "fulfilment", "promises", "loyalty", "notifications"} == set(elsewhere)
    (tmp_path / "stack.json").write_text("{}")
    assert set(cli.migrated_services()) == {*elsewhere, "issuer"}
    (tmp_path / "stack.json").unlink()
    monkeypatch.setenv("KEPT_EMBEDDED", "1")
    assert set(cli.migrated_services()) == {*elsewhere, "issuer"}

"""The contract between services: schemas, golden examples, the register of topics, and what the code hears and says agree."""

import importlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from services.kit.clock import record_now
from services.kit.envelope import EVENT_TYPE, Hears, Reader, headers_of
from services.kit.ids import uuid7
from services.kit.trace import child_of
from services.kit.values import Cause

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "schemas"
FILES = sorted(file for file in SCHEMAS.glob("*/*.json") if not file.name.endswith(".example.json"))
TYPES = {f"{file.parent.name}.{file.stem}": file for file in FILES}
REGISTER: dict[str, Any] = tomllib.loads((SCHEMAS / "topics.toml").read_text())["topics"]
MODULES = sorted(
    {
        *ROOT.glob("services/*/messages.py"),
        *ROOT.glob("services/*/*/messages.py"),
        *ROOT.glob("services/*/*/*/messages.py"),
        ROOT / "services/kit/revocations.py",
        ROOT / "services/kit/promise/feed.py",
    }
)


def _messages() -> dict[str, Any]:
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in MODULES]
    return {name: importlib.import_module(name) for name in names}


HEARD = [(name, type, module.HEARS) for name, module in _messages().items() if hasattr(module, "HEARS") for type in module.HEARS]


def _example(type: str) -> bytes:
    return TYPES[type].with_suffix(".example.json").read_bytes()


@pytest.mark.parametrize("type", TYPES)
def test_a_schema_is_one_and_its_golden_example_fits(type: str) -> None:
    schema = json.loads(TYPES[type].read_text())
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:kept:{type}"
    assert schema["description"].endswith(".")
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(json.loads(_example(type)))


@pytest.mark.parametrize("type", TYPES)
def test_a_schema_refuses_what_lacks_a_required_field(type: str) -> None:
    schema, example = json.loads(TYPES[type].read_text()), json.loads(_example(type))
    required = [name for name in schema["required"] if name in example]
    assert required
    for name in required:
        less = {key: value for key, value in example.items() if key != name}
        assert not Draft202012Validator(schema).is_valid(less), name


def test_every_example_has_its_schema() -> None:
    named = {f"{file.parent.name}.{file.name.removesuffix('.example.json')}" for file in SCHEMAS.glob("*/*.example.json")}
    assert named == set(TYPES)


def test_the_register_names_every_event_once_and_no_other() -> None:
    said = [f"{topic.split('.')[0]}.{event}.{topic.rsplit('.', 1)[1]}" for topic, told in REGISTER.items() for event in told["says"]]
    assert sorted(said) == sorted(TYPES)


def test_every_topic_says_what_it_is_about_and_how_it_is_keyed() -> None:
    assert {name for name, told in REGISTER.items() if not (told.get("about") and told.get("key"))} == set()
    assert [name for name in REGISTER if not re.fullmatch(r"[a-z]+\.[a-z]+\.v[1-9][0-9]*", name)] == []


@pytest.mark.parametrize(("module", "type", "hears"), HEARD, ids=[f"{module.split('.')[1]}-{type}" for module, type, _ in HEARD])
def test_what_a_service_hears_decodes_the_golden_example(module: str, type: str, hears: Hears) -> None:
    assert type in TYPES, f"{module} hears {type}, which no schema describes"
    cause = Cause(uuid7(), uuid7(), child_of(None))
    told: dict[str, Any] = {"id": uuid7(), "type": type, "source": "/golden", "subject": "k", "time": record_now(), "version": 1, "cause": cause}
    headers = headers_of(**told, traceparent=cause.traceparent)
    assert Reader(hears).read(dict(headers), _example(type)) is not None


def test_every_service_hears_something() -> None:
    assert {module.split(".")[1] for module, _, _ in HEARD} >= {"orders", "fulfilment", "promises", "loyalty", "notifications"}


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.parent.relative_to(ROOT / "services")))
def test_every_event_type_that_code_names_has_a_schema(file: Path) -> None:
    named = {text for text in re.findall(r'"([^"\s]+)"', file.read_text()) if EVENT_TYPE.match(text)}
    assert named <= set(TYPES)


def test_every_topic_that_code_names_is_in_the_register() -> None:
    pattern = re.compile(r'"((?:storefront|orders|fulfilment|promises|loyalty|notifications|issuer)\.[a-z]+\.v[0-9]+)"')
    named = {(name, str(file.relative_to(ROOT))) for file in ROOT.glob("services/**/*.py") for name in pattern.findall(file.read_text())}
    assert {(name, file) for name, file in named if name not in REGISTER} == set()


@pytest.mark.parametrize("topic", REGISTER)
def test_somebody_hears_every_topic_or_it_is_for_others(topic: str) -> None:
    heard = {".".join((type.split(".")[0], type.split(".")[1])) for _, type, _ in HEARD}
    events = {f"{topic.split('.')[0]}.{event}" for event in REGISTER[topic]["says"]}
    assert events & heard or topic in {"notifications.message.v1", "fulfilment.stock.v1"}

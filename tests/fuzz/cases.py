"""What is sent to an operation: what its schema says, what it forbids, and both with ids of things that are there."""

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import msgspec
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.core import NotSet

from tests.access.asking import Ask

_UUID = re.compile(r"[0-9a-f-]{32,36}")
CANARY = "canaryQ7Zk"
"""Stands in what is sent, and never in what is answered by a refusal."""


def cases(operation: Any, good: Ask, headers: Mapping[str, str]) -> st.SearchStrategy[Case]:
    """Two thirds fit the schema, one third does not; of the first, most have the path of `good`, and many the fields of its body."""
    fits = st.tuples(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE, headers=dict(headers)), st.integers(0, 7), st.randoms(use_true_random=False)
    )
    broken = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE, headers=dict(headers))
    deeper = fits.map(lambda drawn: _deeper(*drawn, good))
    return st.one_of(deeper, deeper.map(lambda case: case), broken)


def _deeper(case: Case, way: int, chance: Any, good: Ask) -> Case:
    """Way 0 leaves the case as it is; all others name what is there; the odd ones send a good body with one field of the case."""
    if way == 0:
        return case
    case.path_parameters = dict(parameters(case.operation.path, good.path)) or case.path_parameters
    if isinstance(good.body, Mapping) and way % 2 and isinstance(case.body, dict):
        names = sorted(case.body)
        kept = {name: case.body[name] for name in (chance.sample(names, 1) if names else [])}
        case.body = json.loads(msgspec.json.encode(good.body)) | kept
    if way in (2, 6):
        _plant(case, chance)
    return case


def _plant(case: Case, chance: Any) -> None:
    """The canary in one text of the body, where it has one."""
    if isinstance(case.body, dict):
        case.body = deepcopy(case.body)
        places = list(_texts(case.body))
        if places:
            holder, key = chance.choice(places)
            holder[key] = CANARY


def _texts(value: Any) -> Iterator[tuple[Any, Any]]:
    """Where a text stands: what holds it, and under which key."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in inner:
        if isinstance(each, str):
            yield value, key
        elif isinstance(each, dict | list):
            yield from _texts(each)


def parameters(template: str, path: str) -> Mapping[str, str]:
    """What stands in a path for the parameters of its template."""
    match = re.fullmatch(re.sub(r"\\?\{(\w+)\\?\}", r"(?P<\1>[^/?]+)", re.escape(template)), path.partition("?")[0])
    return match.groupdict() if match else {}


def sent_texts(case: Case) -> set[str]:
    """The longer texts of a body but for ids, which a refusal may name: none of them is repeated."""
    body = {} if isinstance(case.body, NotSet) else case.body
    found = [str(holder[key]) for holder, key in _texts({"": body})] if isinstance(body, dict | list | str) else []
    return {text for text in found if (len(text) > 24 or CANARY in text) and not _UUID.fullmatch(text)}

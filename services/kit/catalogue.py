"""The page docs/events.md: every topic of the register and every event on it, as the schemas describe them."""

import json
import tomllib
from pathlib import Path

_SCHEMAS = Path(__file__).parents[2] / "schemas"
_HEAD = """# Events

Every topic, and every event said on it. The schemas in `schemas/` are the contract; this page is written by `kept topics describe`, and a test
fails when it is not up to date. Events are CloudEvents in Kafka's binary mode; a consumer tolerates fields it does not know.
"""


def markdown() -> str:
    """The page, in the register's order."""
    register = tomllib.loads((_SCHEMAS / "topics.toml").read_text())
    parts = [_HEAD]
    for name, told in register["topics"].items():
        kept = "the newest event per key is kept" if told.get("cleanup") == "compact" else f"kept for {register['defaults']['retention_hours']} hours"
        partitions = told.get("partitions", register["defaults"]["partitions"])
        count = f"{partitions} partition{'s' * (partitions != 1)}"
        parts.append(f"\n## `{name}`\n\n{told['about']} Key: {told['key']}; {count}; {kept}.\n\n| event | says |\n|---|---|\n")
        owner, _, version = name.split(".")
        parts += [f"| `{event}` | {_description(owner, event, version)} |\n" for event in told["says"]]
    return "".join(parts)


def _description(owner: str, event: str, version: str) -> str:
    schema: dict[str, str] = json.loads((_SCHEMAS / owner / f"{event}.{version}.json").read_text())
    return schema["description"]

"""Every setting of every service, found in the settings modules: its name in the environment, its value, where that came from, what it means.

Services are found by their files, so that the kit names none.
"""

import importlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from services.kit.settings import KitSettings

_SERVICES = Path(__file__).parents[1]
_HEAD = """# Configuration

Every process reads its settings from the environment, once, when it starts. `kept config` prints what holds here and now, and where it came from.
This page is written by `kept config --markdown`; a test fails when it is not up to date.

| beside these | meaning |
|---|---|
| `KEPT_<SERVICE>_DATABASE_URL` | A service's own login, where its role was made by hand; derived from `DATABASE_URL` otherwise |
| `KEPT_<SERVICE>_API_PORT`, `..._API_OPS_PORT`, `..._WORKER_OPS_PORT` | Where listeners listen; any free port otherwise |
| `KEPT_EMBEDDED` | Set by `deploy/local` for its own processes alone: here something may fail on purpose |
| `KEPT_FAILPOINTS` | Where a fault run stops a process of the embedded stack (`services/kit/failpoints.py`); refused elsewhere |
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting; `value` and `default` are text, masked where they are secret."""

    owner: str
    name: str
    value: str
    default: str
    source: str
    about: str


def modules() -> list[str]:
    """The settings modules of all services, by their files."""
    files = sorted({*_SERVICES.glob("*/settings.py"), *_SERVICES.glob("*/*/settings.py")})
    return [".".join(("services", *file.relative_to(_SERVICES).with_suffix("").parts)) for file in files]


def settings(environ: Mapping[str, str] = os.environ) -> list[Setting]:
    """All settings, the kit's first, each once: a subclass adds its own fields only."""
    return [*_of(KitSettings, "all", set(), environ), *_own(environ)]


def _own(environ: Mapping[str, str]) -> Iterator[Setting]:
    for module in modules():
        for found in vars(importlib.import_module(module)).values():
            if isinstance(found, type) and issubclass(found, KitSettings) and found.__module__ == module and found is not KitSettings:
                yield from _of(found, module.removeprefix("services.").removesuffix(".settings"), set(KitSettings.model_fields), environ)


def _of(kind: type[KitSettings], owner: str, known: set[str], environ: Mapping[str, str]) -> list[Setting]:
    held = kind()
    return [_setting(owner, name, field, getattr(held, name), environ) for name, field in kind.model_fields.items() if name not in known]


def _setting(owner: str, name: str, field: FieldInfo, value: object, environ: Mapping[str, str]) -> Setting:
    variable = field.validation_alias if isinstance(field.validation_alias, str) else f"KEPT_{name.upper()}"
    return Setting(owner, variable, _text(value), _text(field.default), "environment" if variable in environ else "default", field.description or "")


def _text(value: object) -> str:
    return "(secret)" if isinstance(value, SecretStr) else "" if value is None else str(value)


def markdown() -> str:
    """The page docs/configuration.md."""
    lines, owner = [_HEAD], ""
    for each in settings({}):
        if each.owner != owner:
            owner = each.owner
            title = "Every process" if owner == "all" else owner.replace(".", ": ")
            lines.append(f"\n## {title}\n\n| setting | default | meaning |\n|---|---|---|\n")
        lines.append(f"| `{each.name}` | {f'`{each.default}`' if each.default else ''} | {each.about.replace('|', chr(92) + '|')} |\n")
    return "".join(lines)

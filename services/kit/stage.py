"""What a service's worker does: the events it consumes, the things that fall due, the errands it runs outside transactions."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from services.kit.database import Database, Transaction
from services.kit.envelope import Hears
from services.kit.promise.duties import Duties
from services.kit.values import Heard


@dataclass(frozen=True, slots=True)
class Stage:
    """One consumer group. `handle` decides a whole batch inside the given transaction, in order; it must not send, wait or swallow.

    A batch of one costs nearly what a batch of fifty does: where nobody waits for what this stage does, Kafka holds back for
    `gather_seconds` what comes. Where a driver moves the clock, nothing is gathered: it waits for each step.
    """

    service: str
    topics: tuple[str, ...]
    hears: Hears
    handle: Callable[[Transaction, Sequence[Heard[Any]]], Awaitable[None]]
    gather_seconds: float = 0.0
    views_promises: bool = False
    """Whether this service holds a view of all promises (`services.kit.promise.view`)."""
    duties: Duties | None = None
    """What it does for the promises in it that bind its departments."""


@dataclass(frozen=True, slots=True)
class Timer:
    """Work that falls due in business time. `fire` handles up to 250 due things in the transaction and returns how many; 0 means none is left."""

    name: str
    fire: Callable[[Transaction], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Errand:
    """A side effect that no transaction can hold (a mail, a label). `run` does what waits and returns how many; it may run twice for the same
    thing after a crash, so what it calls must be idempotent or the doubt recorded. It runs on one worker at a time."""

    name: str
    run: Callable[[Database], Awaitable[int]]
    expects: tuple[type[Exception], ...] = (OSError,)
    """What the world outside may raise (httpx.HTTPError, aiosmtplib.SMTPException): tried again with backoff. Anything else is a bug and crashes."""
    gather_seconds: float = 0.1
    """What is committed within this time is done in one run: under load it would else look after every batch."""

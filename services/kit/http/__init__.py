"""The HTTP edge that every service shares: who may call, what a body must look like, how a refusal reads. No business word, no SQL of a service."""

from services.kit.http.app import create_app
from services.kit.http.body import Parsed
from services.kit.http.fields import Currency, Instant, MoneyMinor, PageSize, Quantity, ShortText, Sku, Strict
from services.kit.http.front import cause_of
from services.kit.http.guesses import Guesses
from services.kit.http.idempotency import Command, Commands, IdempotencyKey, fingerprint_of, once
from services.kit.http.limits import address_of
from services.kit.http.problems import Problem
from services.kit.http.replies import answer
from services.kit.http.routing import Caller, Routes, operation, page
from services.kit.http.server import serve
from services.kit.http.signin import Principal
from services.kit.http.waiters import Waiters

__all__ = [
    "Caller",
    "Command",
    "Commands",
    "Currency",
    "Guesses",
    "IdempotencyKey",
    "Instant",
    "MoneyMinor",
    "PageSize",
    "Parsed",
    "Principal",
    "Problem",
    "Quantity",
    "Routes",
    "ShortText",
    "Sku",
    "Strict",
    "Waiters",
    "address_of",
    "answer",
    "cause_of",
    "create_app",
    "fingerprint_of",
    "once",
    "operation",
    "page",
    "serve",
]

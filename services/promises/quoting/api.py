"""Quotes over HTTP: which date can be kept, asked before anything is ordered.

A quote is its own idempotency record: the row is never changed and keeps the bytes that were sent, so that the same question is answered with the
same bytes for ever, longer than the kit keeps the answers to commands.
"""

from datetime import date
from typing import Annotated, Literal, cast

import msgspec
from fastapi import Request
from pydantic import UUID7, AfterValidator, Field
from starlette.responses import Response

from services.kit.database import Database
from services.kit.http import Caller, Parsed, Problem, Quantity, Routes, Sku, Strict, fingerprint_of, operation
from services.promises.domain import Destination, Service, plain_postcode
from services.promises.quoting.domain import Ask, Line, Quote
from services.promises.quoting.handlers import answer
from services.promises.quoting.ports import Question
from services.promises.quoting.store import QuotingStore
from services.promises.sentences import Sentences
from services.promises.settings import policy

router = Routes()
_sentences = Sentences()


def _postcode(text: str) -> str:
    plain = plain_postcode(text)
    if not plain.isalnum() or not plain.isascii():
        raise ValueError("a postcode has letters and digits, and between them spaces or hyphens")
    return plain


class QuoteLine(Strict):
    sku: Sku
    quantity: Quantity


class QuoteDestination(Strict):
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    postcode: Annotated[str, Field(min_length=1, max_length=16), AfterValidator(_postcode)]


class QuoteRequest(Strict):
    """`quote_id` is made by whoever asks, and names the quote in the order. Without `site` any site may answer."""

    quote_id: UUID7
    channel: Annotated[str, Field(min_length=1, max_length=32)]
    site: Annotated[str, Field(min_length=1, max_length=16)] | None = None
    destination: QuoteDestination
    lines: Annotated[list[QuoteLine], Field(min_length=1, max_length=1000)]
    service: Literal[Service.STANDARD, Service.OVERNIGHT]
    chosen_on: date | None = None
    language: Annotated[str, Field(pattern="^[a-z]{2}$")] = "en"


@router.post(
    "/v1/quotes",
    **operation(
        access={"storefront": "own", "care": "all"},
        owner={"channel": "channel"},
        body=QuoteRequest,
        answers={201: "The date that can be kept, term by term.", 200: "The same question again: the same answer, byte for byte."},
    ),
)
async def post_quote(request: Request, body: Annotated[QuoteRequest, Parsed(QuoteRequest)], caller: Caller) -> Response:
    if caller.scope == "own" and caller.channel != body.channel:
        raise Problem(403, "other-channel", "This token speaks for another channel: send that one, or sign in for this.")
    question = Question(body.quote_id, fingerprint_of(request, body), _ask(body), body.language)
    async with _database(request).transaction() as work:
        store = QuotingStore(work)
        known = await store.kept(question.quote_id)
        kept = known or await answer(question, store, policy(), work.now, preview=_preview, canonical=_canonical)
    if kept.fingerprint != question.fingerprint:
        raise Problem(422, "quote-id-reused", "This quote_id stands for another question: send a new one.")
    replayed = {"idempotency-replayed": "true"} if known else {}
    return Response(kept.answer, 200 if known else 201, {"cache-control": "no-store", **replayed}, "application/json")


def _ask(body: QuoteRequest) -> Ask:
    there = Destination(body.destination.country, body.destination.postcode)
    lines = tuple(Line(line.sku, line.quantity) for line in body.lines)
    return Ask(body.channel, body.site, there, lines, body.service, body.chosen_on)


def _preview(quote: Quote, language: str) -> tuple[str, str]:
    wording = _sentences.promise(quote, language)
    return wording.text, wording.language


def _canonical(value: object) -> bytes:
    return msgspec.json.encode(value, order="sorted")


def _database(request: Request) -> Database:
    return cast(Database, request.app.state.database)

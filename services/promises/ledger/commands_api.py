"""Commands to the ledger over HTTP, in the process that writes it. Each carries a key, for ever: sent again it is answered with the same receipt."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, cast
from uuid import UUID

import msgspec
from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from services.kit.canonical import canonical
from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.http import Caller, IdempotencyKey, Parsed, Principal, Problem, Routes, answer, operation
from services.kit.http.headers import header
from services.kit.http.problems import problem_of
from services.kit.http.routing import Access
from services.kit.promise.line import Actor
from services.kit.promise.state import Department
from services.kit.values import NotFound
from services.promises.ledger import queries
from services.promises.ledger.answering import response_to
from services.promises.ledger.asking import By, asking, evidence_of, making, preview_of, salted
from services.promises.ledger.batch import GIVING_UP, Answer, Asked
from services.promises.ledger.bodies import (
    AcknowledgementBody,
    BatchBody,
    CorrectionBody,
    EvidenceBody,
    NewPromiseBody,
    PromiseBody,
    ReleaseBody,
    ReplacementBody,
    VoidBody,
)
from services.promises.ledger.compensating import compensations
from services.promises.ledger.domain.commands import Acknowledge, Command, GiveUp, Release, ShowEvidence, Void
from services.promises.ledger.domain.tariff import Tariff
from services.promises.ledger.holding import Holder, needs_goods, with_hold
from services.promises.ledger.writer import Writer

_PROMISERS: Access = {"care": "all", "admin": "all", "service": "all"}
_PROMISE = {"promise_id": "promise"}
_ETAG = re.compile(r'"(\d{1,9})"|(\d{1,9})')
_RECORDED = {201: "Recorded: the entry's receipt.", 200: "The same request again: the same receipt; or it is so already."}

router = Routes()


@dataclass(frozen=True, slots=True)
class Desk:
    """What the routes work with."""

    writer: Writer
    database: Database
    clock: Clock
    tariffs: tuple[Tariff, ...]
    holder: Holder

    def by(self, caller: Principal) -> By:
        """Who asks, at this moment."""
        department = Department.CARE.value if caller.role == "care" else caller.role if caller.role == "admin" else caller.subject
        return By(Actor(caller.subject, department, caller.channel or "api"), caller.subject, self.clock.now(), self.tariffs)

    async def answer(self, asked: Asked) -> Response:
        """Have it recorded. Raises Problem, or what the writer raises."""
        (held,) = await self._with_holds([asked])
        if isinstance(held, Problem):
            raise held
        return response_to(held, given := await self.writer.ask(held), await self._first(given))

    async def answer_all(self, asked: Sequence[Asked], request_id: str) -> Response:
        """The same for several in their order, in one answer; a problem as the answer that it would be alone."""
        held = await self._with_holds(asked)
        decided = [each for each in held if isinstance(each, Asked)]
        answers = iter(await self.writer.ask_all(decided) if decided else ())
        given = [next(answers) if isinstance(each, Asked) else each for each in held]
        answered = [await self._answer_or_problem(each, its, request_id) for each, its in zip(asked, given, strict=True)]
        return answer({"answers": [{"status": each.status_code, "answer": msgspec.Raw(bytes(each.body))} for each in answered]})

    async def _answer_or_problem(self, asked: Asked, given: Answer | Exception, request_id: str) -> Response:
        try:
            if isinstance(given, Exception):
                raise given
            return response_to(asked, given, await self._first(given))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this one's answer, and no other's
            return problem_of(error).response(request_id)

    async def _with_holds(self, asked: Sequence[Asked]) -> Sequence[Asked | Problem]:
        """Each with its hold, or why it has no answer yet. What is promised already needs no hold: its key tells its answer."""
        goods = {place: each for place, each in enumerate(asked) if needs_goods(each)}
        if not goods:
            return asked
        async with self.database.pool.acquire() as sql:
            known = await queries.said_of(sql, [each.promise_id for each in goods.values()])
        new = {place: each for place, each in goods.items() if each.promise_id not in known}
        held = dict(zip(new, await asyncio.gather(*(with_hold(each, self.holder) for each in new.values())), strict=True))
        return [held.get(place, each) for place, each in enumerate(asked)]

    async def compensation(self, promise_id: UUID, by: By) -> Asked | None:
        """What is promised along with a release that we asked for. None where there is no such promise."""
        async with self.database.pool.acquire() as sql:
            return (await compensations(sql, [promise_id], self.tariffs, by.now)).get(promise_id)

    async def _first(self, given: Answer) -> Any:
        """The entry that a reused key stands for."""
        if not given.reused or given.receipt is None:
            return None
        async with self.database.pool.acquire() as sql:
            return (await queries.lines(sql, [given.receipt.position])).get(given.receipt.position)


@router.post("/v1/promises:dry-run", **operation(access=_PROMISERS, body=PromiseBody, answers={200: "What would be promised; nothing is recorded."}))
async def post_dry_run(request: Request, body: Annotated[PromiseBody, Parsed(PromiseBody)], caller: Caller) -> Response:
    return answer(preview_of(body, desk_of(request).by(caller)))


@router.post("/v1/promises", **operation(access=_PROMISERS, body=NewPromiseBody, answers=_RECORDED, idempotent=True))
async def post_promise(request: Request, body: Annotated[NewPromiseBody, Parsed(NewPromiseBody)], caller: Caller, key: IdempotencyKey) -> Response:
    desk = desk_of(request)
    _insist_on_preview(body, caller)
    return await desk.answer(making(body, desk.by(caller), key, _told(request, body)))


@router.post(
    "/v1/promises:batch",
    **operation(access=_PROMISERS, body=BatchBody, answers={200: "For each, in order: its status, and its receipt or its problem."}),
)
async def post_batch(request: Request, body: Annotated[BatchBody, Parsed(BatchBody)], caller: Caller) -> Response:
    desk, by = desk_of(request), desk_of(request).by(caller)
    asked = []
    for each in body.promises:
        _insist_on_preview(each, caller)
        alone = each.model_dump(mode="json", exclude={"key"})
        asked.append(making(each, by, each.key, ["/v1/promises", alone, None]))
    return await desk.answer_all(asked, request.state.request_id)


@router.post(
    "/v1/promises/{promise_id}/acknowledgements",
    **operation(access=_PROMISERS, owner=_PROMISE, body=AcknowledgementBody, answers=_RECORDED, idempotent=True),
)
async def post_acknowledgement(
    request: Request, promise_id: UUID, body: Annotated[AcknowledgementBody, Parsed(AcknowledgementBody)], caller: Caller, key: IdempotencyKey
) -> Response:
    if caller.role == "care" and body.department is not Department.CARE:
        raise Problem(403, "other-department", "Only the department itself acknowledges a promise: care acknowledges for care.")
    return await _say(request, promise_id, Acknowledge(body.department, body.seen), "acknowledge", caller, key, body)


@router.post(
    "/v1/promises/{promise_id}/evidence", **operation(access=_PROMISERS, owner=_PROMISE, body=EvidenceBody, answers=_RECORDED, idempotent=True)
)
async def post_evidence(
    request: Request, promise_id: UUID, body: Annotated[EvidenceBody, Parsed(EvidenceBody)], caller: Caller, key: IdempotencyKey
) -> Response:
    return await _say(request, promise_id, ShowEvidence(evidence_of(body)), "evidence", caller, key, body)


@router.post(
    "/v1/promises/{promise_id}/corrections", **operation(access=_PROMISERS, owner=_PROMISE, body=CorrectionBody, answers=_RECORDED, idempotent=True)
)
async def post_correction(
    request: Request, promise_id: UUID, body: Annotated[CorrectionBody, Parsed(CorrectionBody)], caller: Caller, key: IdempotencyKey
) -> Response:
    return await _say(request, promise_id, ShowEvidence(evidence_of(body.evidence), body.seq), "correct", caller, key, body)


@router.post(
    "/v1/promises/{promise_id}/release", **operation(access=_PROMISERS, owner=_PROMISE, body=ReleaseBody, answers=_RECORDED, idempotent=True)
)
async def post_release(
    request: Request, promise_id: UUID, body: Annotated[ReleaseBody, Parsed(ReleaseBody)], caller: Caller, key: IdempotencyKey
) -> Response:
    desk = desk_of(request)
    return await desk.answer(await _release(desk, request, promise_id, body, desk.by(caller), key))


@router.post(
    "/v1/promises/{promise_id}/abandonment",
    **operation(
        access={"service": "all"}, owner=_PROMISE, answers={200: "It was promised. Else 409: it was not, and under this id it never will be."}
    ),
)
async def post_abandonment(request: Request, promise_id: UUID, caller: Caller) -> Response:
    """Asked by whoever holds something for a promise of which nobody heard. Asked again, it is answered the same."""
    by = desk_of(request).by(caller)
    told = canonical([GIVING_UP, str(promise_id)])
    return await desk_of(request).answer(Asked(GIVING_UP, str(promise_id), promise_id, GiveUp(), by.actor, by.now, told))


@router.post("/v1/promises/{promise_id}/void", **operation(access=_PROMISERS, owner=_PROMISE, body=VoidBody, answers=_RECORDED, idempotent=True))
async def post_void(request: Request, promise_id: UUID, body: Annotated[VoidBody, Parsed(VoidBody)], caller: Caller, key: IdempotencyKey) -> Response:
    words, hashed = salted(body.reason)
    return await _say(request, promise_id, Void(hashed), "void", caller, key, body, words)


@router.post(
    "/v1/promises/{promise_id}/replacements", **operation(access=_PROMISERS, owner=_PROMISE, body=ReplacementBody, answers=_RECORDED, idempotent=True)
)
async def post_replacement(
    request: Request, promise_id: UUID, body: Annotated[ReplacementBody, Parsed(ReplacementBody)], caller: Caller, key: IdempotencyKey
) -> Response:
    """The new promise and, with consent, the end of the old one, in one commit: both or neither."""
    desk, by = desk_of(request), desk_of(request).by(caller)
    _insist_on_preview(body, caller)
    async with desk.database.pool.acquire() as sql:
        if not await queries.said_of(sql, [promise_id]):
            raise NotFound
    new = NewPromiseBody.model_validate(body.model_dump(exclude={"consent"}) | {"replaces": promise_id})
    ends = await _release(desk, request, promise_id, ReleaseBody(consent=body.consent), by, key) if body.consent else None
    return await desk.answer(replace(making(new, by, key, _told(request, body)), then=ends))


async def _say(
    request: Request, promise_id: UUID, command: Command, operation: str, caller: Principal, key: str, body: BaseModel,
    words: tuple[bytes, str] | None = None,
) -> Response:  # fmt: skip
    desk = desk_of(request)
    asked = asking(promise_id, command, desk.by(caller), operation, key, _told(request, body), words, _if_match(request))
    return await desk.answer(asked)


async def _release(desk: Desk, request: Request, promise_id: UUID, body: ReleaseBody, by: By, key: str) -> Asked:
    words, hashed = salted(body.consent)
    then = await desk.compensation(promise_id, by) if body.asked_by_us else None
    command = Release(hashed, body.asked_by_us)
    return asking(promise_id, command, by, "release", key, _told(request, body), words, _if_match(request), then)


def _insist_on_preview(body: PromiseBody, caller: Principal) -> None:
    """A person has seen what they promise; a service has nobody to look."""
    if body.preview is None and caller.role != "service":
        raise Problem(428, "preview-required", "Look at what is promised first (POST /v1/promises:dry-run), and send its digest as preview.")


def _if_match(request: Request) -> int | None:
    """The seq that the caller has read. Raises Problem (400)."""
    given = header(request, b"if-match")
    if given is None:
        return None
    match = _ETAG.fullmatch(given)
    if match is None:
        raise Problem(400, "if-match", 'Send the header If-Match as the promise was read: its seq in quotes, as "3".')
    return int(match[1] or match[2])


def _told(request: Request, body: BaseModel) -> list[object]:
    """What makes two requests the same."""
    return [request.scope["path"], body.model_dump(mode="json"), _if_match(request)]


def desk_of(request: Request) -> Desk:
    """The one that this process works with."""
    return cast(Desk, request.app.state.desk)

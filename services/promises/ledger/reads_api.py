"""The ledger as it is read over HTTP: promises as they stand and as they stood, entries, the feed, and proofs. Nothing here changes anything."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Annotated, Any, cast
from uuid import UUID

import msgspec
from fastapi import Query, Request
from starlette.responses import Response

from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.http import Caller, Instant, PageSize, Principal, Problem, Routes, answer, operation
from services.kit.http.routing import Access
from services.kit.merkle import Frontier
from services.kit.notes import Checkpoint, Signer, note
from services.kit.promise.line import digest_of
from services.kit.promise.state import Due, Duty, Promise, Risk
from services.kit.values import NotFound
from services.promises.dates import queries as dates
from services.promises.ledger import proofs, queries
from services.promises.ledger.answering import erasure_view
from services.promises.ledger.arrivals import Arrivals
from services.promises.ledger.board import VIEWS
from services.promises.ledger.history import as_of

_READERS: Access = {"customer": "own", "care": "all", "planner": "all", "admin": "all", "service": "all"}
_STAFF: Access = {"care": "all", "planner": "all", "admin": "all", "service": "all"}
_PROMISE = {"promise_id": "promise"}
_TOLD_TO_CUSTOMERS = (Risk.LATE, Risk.SHORT)
Position = Annotated[int, Query(ge=0, le=2**62)]

router = Routes()


@dataclass(frozen=True, slots=True)
class PromiseView:
    """A promise as its customer sees it. `position` is its last entry's; `customer_text` is null once it was erased."""

    promise_id: UUID
    position: int
    seq: int
    state_digest: str
    customer_id: UUID
    order_id: UUID | None
    kind: str
    customer_text: str | None
    language: str
    due: Due
    quantity: int
    amount_minor: int
    currency: str | None
    cause: UUID | None
    replaces: UUID | None
    rides_with: UUID | None
    verdict: str
    settled_at: datetime | None
    fulfilment: str
    done: int
    at_risk: tuple[Risk, ...]
    made_at: datetime
    erased: bool


@dataclass(frozen=True, slots=True)
class ViewErased:
    """Whether a department's view has deleted all of it; `position` is how far it was when it last told of itself, null where it never did."""

    view: str
    position: int | None
    erased: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseBehindView(PromiseView):
    """The same as staff see it: who must act, who knows, and what was shown."""

    duties: tuple[Duty, ...]
    kept_by: str
    tariff: str | None
    settled_by: str | None
    told: bool
    received: tuple[str, ...]
    seen: tuple[str, ...]
    shown: tuple[str, ...]


@router.get("/v1/promises/{promise_id}", **operation(access=_READERS, owner=_PROMISE))
async def get_promise(
    request: Request, promise_id: UUID, caller: Caller, min_position: Position = 0, as_known_at: Instant | None = None,
    effective_at: Instant | None = None,
) -> Response:  # fmt: skip
    await _arrivals(request).until(min_position)
    async with _database(request).transaction() as work:
        known = (await queries.promises(work.connection, [promise_id])).get(promise_id)
        if known is None:
            return await _delivery_date(work.connection, promise_id, caller)
        if (as_known_at or effective_at) and (past := as_of(await queries.entries(work.connection, promise_id), as_known_at, effective_at)):
            known = replace(known, promise=past, state_digest=digest_of(past))
        elif as_known_at or effective_at:
            raise NotFound
    if not _may_see(caller, known.promise.said.customer_id):
        raise NotFound
    return answer(_view(known, caller), etag=f'"{known.promise.seq}"')


@router.get("/v1/promises/{promise_id}/entries", **operation(access=_STAFF, owner=_PROMISE))
async def get_entries(request: Request, promise_id: UUID) -> Response:
    async with _database(request).transaction() as work:
        entries = await queries.entries_fed(work.connection, promise_id)
    if not entries:
        raise NotFound
    return answer({"promise_id": promise_id, "entries": entries})


@router.get("/v1/customers/{customer_id}/promises", **operation(access=_READERS, owner={"customer_id": "customer"}))
async def get_promises_of_customer(request: Request, customer_id: UUID, caller: Caller, since: Position = 0, limit: PageSize = 100) -> Response:
    """Those with an entry after `since`, in the order of their last entries: ask again from the last `position` while there are `limit`."""
    if not _may_see(caller, customer_id):
        raise NotFound
    async with _database(request).transaction() as work:
        size, recorded_at = await queries.head(work.connection)
        found = await queries.of_customer(work.connection, customer_id, since, limit)
    return answer({"as_of": {"position": size, "recorded_at": recorded_at}, "promises": [_view(each, caller) for each in found]})


@router.get(
    "/v1/customers/{customer_id}/erasure", **operation(access={"care": "all", "admin": "all", "service": "all"}, owner={"customer_id": "customer"})
)
async def get_erasure(request: Request, customer_id: UUID) -> Response:
    """From which position on nothing personal is kept of the customer, and which departments have come that far."""
    async with _database(request).transaction() as work:
        found = await queries.erasure(work.connection, customer_id)
        reached = await queries.views_at(work.connection)
    if found is None:
        raise NotFound
    views = [ViewErased(view, reached.get(view), reached.get(view, -1) >= found.position) for view in VIEWS]
    return answer(asdict(erasure_view(found)) | {"complete": all(each.erased for each in views), "views": views})


@router.get("/v1/liability", **operation(access={"planner": "all", "admin": "all"}))
async def get_liability(request: Request) -> Response:
    """Refunds and credits that are promised and not yet paid."""
    async with _database(request).transaction() as work:
        size, _ = await queries.head(work.connection)
        owing = await queries.liability(work.connection, work.now)
    return answer({"position": size, "owing": owing})


@router.get("/v1/feed", **operation(access={"service": "all", "admin": "all"}))
async def get_feed(request: Request, after: Position = 0, limit: PageSize = 100) -> Response:
    """Entries in order, from the one behind `after`. Each `entry` is the very line that is hashed."""
    async with _database(request).transaction() as work:
        entries = [entry for _, entry in await queries.feed(work.connection, after, limit)]
        size, _ = await queries.head(work.connection)
    return answer({"size": size, "entries": entries})


@router.get("/v1/checkpoint", **operation(access=_STAFF))
async def get_checkpoint(request: Request) -> Response:
    """How far the ledger reaches, signed (a C2SP note), and the key to check it with."""
    async with _database(request).transaction() as work:
        size, _ = await queries.head(work.connection)
        root = await proofs.root(work.connection, size) if size else Frontier().root()
    signer = cast(Signer, request.app.state.signer)
    text = Checkpoint(signer.name, size, root, cast(Clock, request.app.state.clock).now()).text()
    return answer({"size": size, "root": root.hex(), "note": note(text, [signer.sign(text)]), "key": str(signer.verifier())})


@router.get("/v1/proofs/inclusion", **operation(access=_STAFF))
async def get_inclusion(request: Request, position: Annotated[int, Query(ge=1, le=2**62)], size: Annotated[int, Query(ge=1, le=2**62)]) -> Response:
    """That the entry at this position is in the ledger of this size (RFC 6962)."""
    async with _database(request).transaction() as work:
        await _refuse_beyond(work.connection, position, size)
        hashes = await proofs.included(work.connection, position, size)
    return answer({"position": position, "size": size, "hashes": [each.hex() for each in hashes]})


@router.get("/v1/proofs/consistency", **operation(access=_STAFF))
async def get_consistency(
    request: Request, old: Annotated[int, Query(alias="from", ge=1, le=2**62)], size: Annotated[int, Query(alias="to", ge=1, le=2**62)]
) -> Response:
    """That the ledger of size `to` begins with the entries that it had at size `from` (RFC 6962)."""
    async with _database(request).transaction() as work:
        await _refuse_beyond(work.connection, old, size)
        hashes = await proofs.continued(work.connection, old, size)
    return answer({"from": old, "to": size, "hashes": [each.hex() for each in hashes]})


async def _refuse_beyond(sql: Any, part: int, size: int) -> None:
    """Raises Problem where the ledger is not that long, or the part longer than the whole."""
    reached, _ = await queries.head(sql)
    if not part <= size <= reached:
        raise Problem(404, "not-that-long", "The ledger is not that long: ask within its size.", extra={"size": reached})


async def _delivery_date(sql: Any, promise_id: UUID, caller: Principal) -> Response:
    """The same for the date that was promised for an order."""
    view = await dates.promise(sql, promise_id, behind=caller.scope == "all")
    if view is None or not _may_see(caller, view.customer_id):
        raise NotFound
    return answer(view)


def _view(known: queries.Known, caller: Principal) -> PromiseView:
    promise: Promise = known.promise
    behind = caller.scope == "all"
    told = asdict(promise.said) | asdict(promise.stands) | asdict(known) | {"promise_id": promise.promise_id, "seq": promise.seq}
    told |= {"state_digest": known.state_digest.hex(), "at_risk": [r for r in promise.stands.at_risk if behind or r in _TOLD_TO_CUSTOMERS]}
    return msgspec.convert(told, PromiseBehindView if behind else PromiseView)


def _may_see(caller: Principal, customer_id: UUID) -> bool:
    return caller.scope == "all" or caller.subject == str(customer_id)


def _database(request: Request) -> Database:
    return cast(Database, request.app.state.database)


def _arrivals(request: Request) -> Arrivals:
    return cast(Arrivals, request.app.state.arrivals)

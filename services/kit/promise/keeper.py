"""Keeps a department's view true: fetches what it did not hear, reports what it holds, mends what differs, and bears witness to the ledger's growth.

It runs on one worker of the service at a time. While the ledger is away the view stays as it is; the next round goes on.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import httpx
import msgspec
import structlog

from services.kit.calling import signed
from services.kit.database import Database
from services.kit.merkle import EMPTY_ROOT, is_consistent
from services.kit.notes import Checkpoint, NoteRefused, Verifier, open_note
from services.kit.promise.agreement import BUCKETS, MOST_MENDED, WHOLE_TABLE, Buckets, Hashed, Held, differing, hashed
from services.kit.promise.duties import Duties
from services.kit.promise.feed import EntryRecorded
from services.kit.promise.view import HELD, apply, forget_letters, replay
from services.kit.settings import KitSettings
from services.kit.transient import end_if_told

log = structlog.get_logger(__name__)

EVERY_SECONDS = 10.0
_AT_ONCE = 100
_ROWS_A_ROUND = 10_000
"""So many promises are computed anew in each round, beside those that changed: a smaller view is looked at whole, each time."""

_STATE = "select position, heard_to, witnessed_size, witnessed_root, witnessed_key from promise_view_state"
_WITNESSED = "select witnessed_size from promise_view_state"
_COUNT = "select count(*) from promise_view"
_CHANGED = "select distinct bucket from promise_view where position > $1"
_ALL = hashed(HELD)
_HASHED = hashed(f"{HELD} where bucket = any ($1::int[])")
_OF_BUCKET = f"select promise_id, seq, state_digest from ({HELD} where bucket = $1) as held"  # noqa: S608  # ours
_DROP = "delete from promise_view where promise_id = any ($1::uuid[])"
_WITNESS = "update promise_view_state set witnessed_size = $1, witnessed_root = $2, witnessed_note = $3, witnessed_key = $4"


class _Agreed(msgspec.Struct):
    agrees: bool
    root: str


class _Numbered(msgspec.Struct):
    hashes: dict[int, str]


class _Promises(msgspec.Struct):
    promises: list[Held]


class _Feed(msgspec.Struct):
    entries: list[EntryRecorded]


class _Signed(msgspec.Struct):
    size: int
    root: str
    note: str
    key: str


class _Proof(msgspec.Struct):
    hashes: list[str]


class Keeper:
    """Of the view in this database. Asks the promises API as one of our own services."""

    def __init__(
        self, service: str, database: Database, settings: KitSettings, transport: httpx.AsyncBaseTransport | None = None, duties: Duties | None = None
    ) -> None:
        self._service, self._database, self._settings, self._duties = service, database, settings, duties
        self._client = httpx.AsyncClient(base_url=settings.promises_url, timeout=10.0, trust_env=False, transport=transport)
        self._buckets, self._seen, self._next = Buckets(), -1, 0
        self._mended: list[UUID] = []

    async def run(self) -> None:
        """A round every ten seconds, until cancelled."""
        while True:
            try:
                await self.round()
            except (httpx.HTTPError, OSError) as error:
                log.warning("the view was not compared: the ledger does not answer", reason=type(error).__name__)
            except NoteRefused as refused:
                log.error("the ledger is not the one that was seen before", reason=str(refused))  # noqa: TRY400  # what it says is all there is
            end_if_told()
            await asyncio.sleep(EVERY_SECONDS)

    async def round(self) -> bool:
        """Whether view and ledger agree. Raises httpx.HTTPError, OSError while the ledger is away."""
        await self._catch_up()
        await forget_letters(self._database.pool)  # what was set aside after its customer was erased
        position = await self._look()
        told = {"view": self._service, "position": position, "count": self._buckets.count, "root": self._buckets.root().hex()}
        told["witnessed"] = await self._database.pool.fetchval(_WITNESSED)
        told["altered"] = (await self._altered())[:MOST_MENDED]
        agrees = await self._tell(told)
        if not agrees:
            await self._mend(position)
            await self._tell(told)  # names at once what differed; whether it agrees now is for the next round to say
        await self._witness()
        return agrees

    async def _tell(self, told: Mapping[str, object]) -> bool:
        agreed = await self._post("/v1/agreement/reports", {**told, "mended": self._mended[:MOST_MENDED]}, _Agreed)
        del self._mended[:MOST_MENDED]
        return bool(agreed.agrees)

    async def _catch_up(self) -> None:
        """Fetch what was not heard, as far as anything behind it was."""
        while True:
            position, heard_to, *_ = await self._database.pool.fetchrow(_STATE)
            if position >= heard_to:
                return
            entries = (await self._get(f"/v1/feed?after={position}&limit={_AT_ONCE}", _Feed)).entries
            if not entries:
                return
            async with self._database.transaction() as work:
                if await apply(work, entries, self._duties) <= position:
                    return

    async def _look(self) -> int:
        """Compute anew what changed, and a slice of the rest, as it is at one position, which is returned."""
        if self._seen < 0:
            async with self._database.pool.acquire() as sql, sql.transaction():
                began = int((await sql.fetchrow(_STATE))["position"])
                await sql.execute(WHOLE_TABLE)
                self._buckets.put(range(BUCKETS), [Hashed(*row) for row in await sql.fetch(_ALL)])
            self._seen = began
        async with self._database.pool.acquire() as sql, sql.transaction(isolation="repeatable_read", readonly=True):
            position = int((await sql.fetchrow(_STATE))["position"])
            changed = {row["bucket"] for row in await sql.fetch(_CHANGED, self._seen)}
            buckets = changed | set(self._slice(await sql.fetchval(_COUNT)))
            self._buckets.put(buckets, [Hashed(*row) for row in await sql.fetch(_HASHED, sorted(buckets))])
        self._seen = position
        return position

    async def _altered(self) -> list[UUID]:
        """The promises whose work here is not their duty. It is not mended: what was done by it is for a person to look at."""
        if self._duties is None or self._duties.differing is None:
            return []
        ids = list(await self._duties.differing(self._database))
        for id in ids:
            log.error("a work row is not what was promised", promise_id=str(id), departments=sorted(self._duties.departments))
        return ids

    async def _compute(self, buckets: Collection[int]) -> None:
        self._buckets.put(buckets, [Hashed(*row) for row in await self._database.pool.fetch(_HASHED, sorted(buckets))])

    def _slice(self, count: int) -> range:
        """The buckets whose turn it is."""
        start = self._next % BUCKETS
        self._next = start + max(1, min(BUCKETS - start, BUCKETS * _ROWS_A_ROUND // max(count, 1)))
        return range(start, self._next)

    async def _mend(self, position: int) -> None:
        """Find which promises differ, and put each anew as its entries make it."""
        groups = await self._numbered(f"/v1/agreement/groups?position={position}")
        for group in differing(self._buckets.groups(), groups):
            theirs = await self._numbered(f"/v1/agreement/groups/{group}?position={position}")
            for bucket in differing(self._buckets.of_group(group), theirs):
                await self._mend_bucket(bucket, position)

    async def _mend_bucket(self, bucket: int, position: int) -> None:
        theirs = {each.promise_id: each for each in (await self._get(f"/v1/agreement/buckets/{bucket}?position={position}", _Promises)).promises}
        mine = {row["promise_id"]: Held(*row) for row in await self._database.pool.fetch(_OF_BUCKET, bucket)}
        for id in [id for id in mine.keys() | theirs.keys() if mine.get(id) != theirs.get(id)]:
            log.error("a promise of the view is not the ledger's: it is put anew", promise_id=str(id), view=self._service)
            entries = (await self._get(f"/v1/promises/{id}/entries", _Feed)).entries if id in theirs else []
            async with self._database.pool.acquire() as sql, sql.transaction():
                reached = int((await sql.fetchrow(_STATE + " for update"))["position"])
                await sql.execute(_DROP, [id])
                await replay(sql, [entry for entry in entries if entry.position <= reached])
            self._mended.append(id)
        await self._compute([bucket])

    async def _witness(self) -> None:
        """Keep the newest signed size, where it continues the last one that was kept, under the key that signed the first."""
        row = await self._database.pool.fetchrow(_STATE)
        signed = await self._get("/v1/checkpoint", _Signed)
        key = row["witnessed_key"] or signed.key
        point = Checkpoint.read(open_note(signed.note, [Verifier.read(key)])[0])
        old, root = row["witnessed_size"], row["witnessed_root"] or EMPTY_ROOT
        if (point.size, point.root) == (old, root):
            return
        if old and point.size >= old:
            proof = (await self._get(f"/v1/proofs/consistency?from={old}&to={point.size}", _Proof)).hashes
            continues = is_consistent(old, point.size, root, point.root, [bytes.fromhex(each) for each in proof])
        else:
            continues = point.size >= old
        if not continues:
            raise NoteRefused(f"the ledger of {point.size} entries does not begin with the {old} that {self._service} saw")
        await self._database.pool.execute(_WITNESS, point.size, point.root, signed.note, key)

    async def _numbered(self, path: str) -> Mapping[int, bytes]:
        return {number: bytes.fromhex(hashed) for number, hashed in (await self._get(path, _Numbered)).hashes.items()}

    async def _get(self, path: str, answer: type[Any]) -> Any:
        return _read(await self._client.get(path, headers=signed(self._settings, self._service)), answer)

    async def _post(self, path: str, body: object, answer: type[Any]) -> Any:
        return _read(await self._client.post(path, content=msgspec.json.encode(body), headers=signed(self._settings, self._service)), answer)


def _read(answered: httpx.Response, answer: type[Any]) -> Any:
    return msgspec.json.decode(answered.raise_for_status().content, type=answer)

"""The personal data of a customer is erased: in the ledger, in every view and its dead letters; and every proof holds as before."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from services.kit import cli
from services.kit.clock import FixedClock
from services.kit.database import Transaction
from services.kit.ids import uuid7
from services.kit.merkle import Frontier, is_included, leaf_hash
from services.kit.promise.duties import Bound, Duties
from services.kit.promise.feed import TOPIC, EntryRecorded
from services.kit.promise.state import Department
from services.kit.promise.view import apply
from tests.integration.promises.ledger.speaking import CUSTOMER, Speaking, promise_body, speaking
from tests.integration.promises.ledger.viewing import View, viewing

VIEWS = ("fulfilment", "loyalty", "notifications", "orders")
SAID = "We will call you back by Friday 27 November, 18:00."


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("promises", *VIEWS)


@pytest.fixture
async def ledger(database_url: str, tmp_path: Path, clock: FixedClock) -> AsyncIterator[Speaking]:  # type: ignore[override]  # over HTTP here
    async with speaking(database_url, tmp_path, clock) as made:
        yield made


@pytest.fixture
async def view(ledger: Speaking, database_url: str, tmp_path: Path, clock: FixedClock) -> AsyncIterator[View]:
    async with viewing(ledger, database_url, tmp_path, clock) as made:
        yield made


async def _settled(ledger: Speaking, customer: str = CUSTOMER) -> str:
    """A promise that was made and taken back, in words of its own each: two entries."""
    promise_id = str((await ledger.promise(customer_id=customer))["promise_id"])
    assert (await ledger.post(f"/v1/promises/{promise_id}/void", {"reason": "typed for Mrs Miller"})).status_code == 201
    return promise_id


async def _erase(ledger: Speaking, customer: str = CUSTOMER, key: str = "") -> httpx.Response:
    return await ledger.post(f"/v1/customers/{customer}/erasure", None, key)


async def _tables(ledger: Speaking) -> dict[str, int]:
    tables = ("ledger_entries", "ledger_promises", "ledger_words", "ledger_customers", "ledger_refusals", "ledger_erasures")
    return {table: await ledger.count(table) for table in tables}


async def test_the_words_are_gone_and_the_promise_stands(ledger: Speaking) -> None:
    mine, other = await _settled(ledger), await _settled(ledger, str(uuid7()))
    done = await _erase(ledger)
    assert (done.status_code, done.json()["promises"], done.json()["position"]) == (201, 1, 5)
    view = await ledger.standing(mine)
    assert (view["customer_text"], view["erased"], view["verdict"], view["seq"]) == (None, True, "void", 3)
    assert ((await ledger.standing(other))["customer_text"], (await ledger.standing(other))["erased"]) == (SAID, False)
    (listed,) = (await ledger.get(f"/v1/customers/{CUSTOMER}/promises")).json()["promises"]
    assert (listed["customer_text"], listed["erased"]) == (None, True)
    past = (await ledger.get(f"/v1/promises/{mine}?as_known_at=2026-11-25T09:12:00Z")).json()
    assert (past["verdict"], past["customer_text"], past["erased"]) == ("open", None, True)
    words = await ledger.database.pool.fetch("select distinct promise_id::text from ledger_words")
    salts = await ledger.database.pool.fetch("select customer_id::text from ledger_customers")
    assert ([row[0] for row in words], CUSTOMER in [row[0] for row in salts]) == ([other], False)


async def test_nobody_reads_the_words_in_what_is_left(ledger: Speaking, database_url: str) -> None:
    """Of all tables of the schema, whatever their columns; what was typed for another customer is found where it stands."""
    await _settled(ledger)
    await _erase(ledger)

    async def found() -> list[str]:
        tables = await ledger.database.pool.fetch("select relname from pg_class where relnamespace = 'promises'::regnamespace and relkind = 'r'")
        query = "select 1 from {0} each where each::text like '%Miller%' or each::text like '%call you back%' limit 1"
        return [name for (name,) in tables if await ledger.database.pool.fetchval(query.format(name))]

    assert await found() == []
    await _settled(ledger, str(uuid7()))
    assert await found() == ["ledger_words"]


async def test_open_promises_are_named_and_nothing_is_written(ledger: Speaking) -> None:
    await _settled(ledger)
    still = [str((await ledger.promise())["promise_id"]) for _ in range(2)]
    before = await _tables(ledger)
    refused = await _erase(ledger, key="e-1")
    assert (refused.status_code, refused.json()["type"], refused.json()["promises"]) == (409, "urn:kept:problem:open-promises", sorted(still))
    assert "release or void" in refused.json()["detail"]
    assert await _tables(ledger) == before
    for promise_id in still:
        await ledger.post(f"/v1/promises/{promise_id}/release", {"consent": "on the phone"})
    assert (await _erase(ledger, key="e-1")).status_code == 201
    assert await ledger.count("ledger_words") == 0


async def test_a_customer_without_promises_is_erased_and_stays_so(ledger: Speaking) -> None:
    unknown = str(uuid7())
    assert (await ledger.get(f"/v1/customers/{unknown}/erasure")).status_code == 404
    done = await _erase(ledger, unknown)
    assert (done.status_code, done.json()["promises"], done.json()["position"]) == (201, 0, 0)
    assert (await ledger.post("/v1/promises", promise_body(customer_id=unknown))).json()["type"] == "urn:kept:problem:customer-erased"


async def test_the_same_request_again_another_request_and_a_used_key(ledger: Speaking) -> None:
    await _settled(ledger)
    first, again, other = [await _erase(ledger, key=key) for key in ("e-1", "e-1", "e-2")]
    assert (first.content, first.content) == (again.content, other.content)
    assert [each.status_code for each in (first, again, other)] == [201, 200, 200]
    assert [each.headers.get("idempotency-replayed") for each in (first, again, other)] == [None, "true", None]
    reused = await _erase(ledger, str(uuid7()), "e-1")
    assert (reused.status_code, reused.json()["type"], reused.json()["differs"]) == (422, "urn:kept:problem:key-reused", ["customer_id"])
    assert (await ledger.post(f"/v1/customers/{CUSTOMER}/erasure", None, None)).status_code == 400
    assert (await _erase(ledger, "not-an-id")).status_code == 404
    assert await ledger.count("ledger_erasures") == 1


async def test_the_key_of_an_erased_entry_is_gone_and_nothing_new_is_promised(ledger: Speaking) -> None:
    body = promise_body()
    assert (await ledger.post("/v1/promises", body, "k-1")).status_code == 201
    assert (await ledger.post(f"/v1/promises/{body['promise_id']}/void", {"reason": "typed twice"}, "k-2")).status_code == 201
    await _erase(ledger)
    before = await _tables(ledger)
    gone = [
        await ledger.post("/v1/promises", body, "k-1"),
        await ledger.post(f"/v1/promises/{body['promise_id']}/void", {"reason": "typed twice"}, "k-2"),
        await ledger.post("/v1/promises", promise_body(customer_id=str(uuid7())), "k-1"),
    ]
    assert [(each.status_code, each.json()["type"]) for each in gone] == [(410, "urn:kept:problem:erased")] * 3
    refused = await ledger.post("/v1/promises", promise_body(), "k-3")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:kept:problem:customer-erased")
    batch = await ledger.post("/v1/promises:batch", {"promises": [promise_body(key="b-1")]}, None)
    assert batch.json()["answers"][0]["status"] == 409
    assert await _tables(ledger) == before


async def test_ten_erasures_at_once_are_one(ledger: Speaking) -> None:
    ids = [await _settled(ledger) for _ in range(3)]
    answered = await asyncio.gather(*(_erase(ledger) for _ in range(10)))
    assert sorted(each.status_code for each in answered) == [200] * 9 + [201]
    assert len({each.content for each in answered}) == 1
    assert await ledger.count() == 2 * len(ids) + len(ids)


@pytest.mark.parametrize("first", ["promise", "erasure"])
async def test_an_erasure_and_a_promise_at_once_leave_no_words_of_an_erased_customer(ledger: Speaking, first: str) -> None:
    customers = [str(uuid7()) for _ in range(10)]
    for customer in customers:
        await _settled(ledger, customer)

    async def race(customer: str) -> tuple[int, str, int, str]:
        both: list[Any] = [ledger.post("/v1/promises", promise_body(customer_id=customer)), _erase(ledger, customer)]
        answered = await asyncio.gather(*(both if first == "promise" else reversed(both)))
        promised, erased = answered if first == "promise" else reversed(answered)
        return promised.status_code, promised.json().get("type", ""), erased.status_code, erased.json().get("type", "")

    ends = {(409, "urn:kept:problem:customer-erased", 201, ""), (201, "", 409, "urn:kept:problem:open-promises")}
    assert {*await asyncio.gather(*map(race, customers))} <= ends
    left = "select count(*) from ledger_words join ledger_promises using (promise_id) join ledger_erasures using (customer_id)"
    assert await ledger.database.pool.fetchval(left) == 0


async def test_what_fails_midway_erases_nothing(ledger: Speaking, database_url: str) -> None:
    await _settled(ledger)
    before = await _tables(ledger)
    admin = await asyncpg.connect(database_url)
    await admin.execute("create function promises.fail() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$")
    await admin.execute("create trigger fail before delete on promises.ledger_customers for each statement execute function promises.fail()")
    assert (await _erase(ledger, key="e-1")).status_code == 500
    assert await _tables(ledger) == before
    await admin.execute("drop trigger fail on promises.ledger_customers")
    await admin.close()
    assert (await _erase(ledger, key="e-1")).status_code == 201


async def test_proofs_and_exports_from_before_and_after_hold(
    ledger: Speaking, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KEPT_VAR", str(tmp_path))
    await _settled(ledger)
    assert cli.run(["ledger", "export", str(tmp_path / "before")]) == 0
    signed = (await ledger.get("/v1/checkpoint")).json()
    (tmp_path / "witness").write_text(signed["note"])
    await _erase(ledger)
    assert cli.run(["ledger", "export", str(tmp_path / "after")]) == 0
    witness = ["--witness", str(tmp_path / "witness"), "--key", signed["key"]]
    for export in ([], ["--export", str(tmp_path / "before")], ["--export", str(tmp_path / "after")]):
        assert cli.run(["ledger", "verify", *export, *witness]) == 0, capsys.readouterr().out
    lines = (tmp_path / "after").read_bytes().splitlines()
    root = Frontier().grown(list(map(leaf_hash, lines)))[0].root()
    shown = (await ledger.get(f"/v1/proofs/inclusion?position=1&size={len(lines)}")).json()["hashes"]
    assert is_included(leaf_hash(lines[0]), 0, len(lines), list(map(bytes.fromhex, shown)), root)
    assert b"Miller" not in (tmp_path / "before").read_bytes()


async def test_each_department_deletes_and_the_ledger_tells_which_have(
    ledger: Speaking, database_url: str, tmp_path: Path, clock: FixedClock
) -> None:
    mine, other = await _settled(ledger), await _settled(ledger, str(uuid7()))
    async with AsyncExitStack() as stack:
        views = [await stack.enter_async_context(viewing(ledger, database_url, tmp_path, clock, service)) for service in VIEWS]
        for view in views:
            await view.hear(*(await ledger.told(4)))
            assert await view.keeper.round()
        position = (await _erase(ledger)).json()["position"]
        for at, view in enumerate(views):
            told = (await ledger.get(f"/v1/customers/{CUSTOMER}/erasure")).json()
            assert (told["position"], told["complete"]) == (position, False)
            assert {each["view"]: each["erased"] for each in told["views"]} == {service: VIEWS.index(service) < at for service in VIEWS}
            await view.hear(*(await ledger.told(5)))
            assert await view.keeper.round()
            rows = await view.database.pool.fetch("select promise_id::text, words, salt is null from promise_view")
            assert {tuple(row) for row in rows} == {(mine, None, True), (other, SAID, False)}
    assert (await ledger.get(f"/v1/customers/{CUSTOMER}/erasure")).json()["complete"]


async def test_nothing_that_is_heard_again_or_mended_brings_the_words_back(view: View) -> None:
    promise_id = await _settled(view.ledger)
    before = await view.ledger.told(2)
    assert before[0].words == SAID
    await view.hear(*before)
    await _erase(view.ledger)
    await view.hear(*(await view.ledger.told(3))[2:])
    await view.hear(*before)
    assert await view.keeper.round()
    words = "select words from promise_view"
    assert await view.database.pool.fetchval(words) is None
    await view.do("update promise_view set made = replace(made, '\"quantity\":1', '\"quantity\":2')")
    assert not await view.keeper.round()
    assert await view.keeper.round()
    assert await view.database.pool.fetchval(words) is None
    entries = (await view.ledger.get(f"/v1/promises/{promise_id}/entries")).json()["entries"]
    feed = (await view.ledger.get("/v1/feed?after=0", "admin")).json()["entries"]
    assert [(each["words"], each["salt"]) for each in entries + feed] == [(None, None)] * 6


async def test_a_view_that_hears_the_words_and_their_erasure_together_keeps_none(view: View) -> None:
    await _settled(view.ledger)
    await view.ledger.told(2)
    await _erase(view.ledger)
    entries = await view.ledger.told(3)
    assert entries[0].words == SAID
    await view.hear(*entries)
    assert await view.database.pool.fetchval("select count(*) from promise_view where words is null and salt is null") == 1
    assert await view.keeper.round()


async def test_a_department_with_a_duty_is_told_of_the_erasure_without_the_words(view: View) -> None:
    await _settled(view.ledger)
    await view.hear(*(await view.ledger.told(2)))
    await _erase(view.ledger)
    heard: list[Bound] = []

    async def take(_: Transaction, bound: Sequence[Bound]) -> None:
        heard.extend(bound)

    async with view.database.transaction() as work:
        await apply(work, (await view.ledger.told(3))[2:], Duties(frozenset({Department.CARE}), take))
    assert [(each.words, each.promise.stands.erased) for each in heard] == [(None, True)]


async def test_words_that_a_view_still_holds_are_found_and_deleted(view: View) -> None:
    promise_id = await _settled(view.ledger)
    await view.ledger.told(2)
    await _erase(view.ledger)
    entries = await view.ledger.told(3)
    await view.hear(*entries)
    await view.database.pool.execute("update promise_view set words = $1, salt = $2", entries[0].words, entries[0].salt)
    assert not await view.keeper.round()
    assert await view.keeper.round()
    loyalty = (await view.board())["loyalty"]
    assert (loyalty["state"], loyalty["last_mended"]) == ("agrees", promise_id)
    assert await view.database.pool.fetchval("select words from promise_view") is None


async def test_of_a_promise_that_stopped_the_words_go_as_well(view: View) -> None:
    await _settled(view.ledger)
    first, second = await view.ledger.told(2)
    await view.hear(first, EntryRecorded(2, second.entry.replace("care-desk", "sales-desk")))
    await _erase(view.ledger)
    await view.hear((await view.ledger.told(3))[2])
    assert await view.database.pool.fetchval("select words from promise_view") is None


_LETTER = """
insert into dead_letters (id, topic, partition, "offset", key, type, kind, reason, detail, value, headers)
values ($1, $2, 0, $3, $4, 'promises.EntryRecorded.v1', $5, 'failed', '', $6, '')"""


async def _bury(view: View, offset: int, key: bytes | None = CUSTOMER.encode(), topic: str = TOPIC, kind: str = "failed") -> None:
    await view.database.pool.execute(_LETTER, uuid7(), topic, offset, key, kind, SAID.encode())


async def _letters(view: View) -> list[tuple[Any, ...]]:
    rows = await view.database.pool.fetch('select value is null, settled_as, settled_because from dead_letters order by "offset"')
    return [tuple(row) for row in rows]


async def test_dead_letters_with_the_customer_s_words_are_emptied_and_given_up_and_no_others(view: View) -> None:
    await _settled(view.ledger)
    await view.hear(*(await view.ledger.told(2)))
    await _bury(view, 1)
    await _bury(view, 2, kind="behind")
    await _bury(view, 3, str(uuid7()).encode())
    await _bury(view, 4, topic="orders.customer.v1")
    await _bury(view, 5, b"\xff\x00 no id", kind="unreadable")
    await _bury(view, 6, None, kind="unreadable")
    await view.do("update dead_letters set settled_at = now(), settled_as = 'retried' where \"offset\" = 2")
    await _erase(view.ledger)
    await view.hear(*(await view.ledger.told(3)))
    because = "the personal data of its customer was erased"
    assert await _letters(view) == [(True, "dropped", because), (True, "retried", None), *[(False, None, None)] * 4]


async def test_a_dead_letter_that_comes_after_the_erasure_is_emptied_in_the_next_round(view: View) -> None:
    await _settled(view.ledger)
    await view.ledger.told(2)
    await _erase(view.ledger)
    await view.hear(*(await view.ledger.told(3)))
    await _bury(view, 1)
    assert await view.keeper.round()
    assert [each[0] for each in await _letters(view)] == [True]

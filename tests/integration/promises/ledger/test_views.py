"""The view that a department holds of all promises: made from the entries alone, compared with the ledger, and mended where it differs."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import pytest

from services.kit.clock import FixedClock
from services.kit.ids import uuid7
from services.kit.notes import NoteRefused
from services.kit.promise.agreement import Hashed, Held, bucket_of, hashed
from services.kit.promise.feed import EntryRecorded
from services.kit.promise.line import digest_over
from services.kit.promise.view import HELD
from tests.integration.promises.ledger.speaking import Speaking, promise_body, speaking
from tests.integration.promises.ledger.viewing import View, viewing
from tests.support.held import hashed as hashed_by_hand


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("promises", "loyalty")


@pytest.fixture
async def view(database_url: str, tmp_path: Path, clock: FixedClock) -> AsyncIterator[View]:
    async with speaking(database_url, tmp_path, clock) as ledger, viewing(ledger, database_url, tmp_path, clock) as made:
        yield made


async def _some(ledger: Speaking) -> list[str]:
    """Three promises, one of them acknowledged and kept: five entries."""
    ids = [(await ledger.promise())["promise_id"] for _ in range(3)]
    await ledger.post(f"/v1/promises/{ids[0]}/acknowledgements", {"department": "care"})
    shown = {"id": "call-1", "type": "called", "at": "2026-11-25T09:00:00Z"}
    assert (await ledger.post(f"/v1/promises/{ids[0]}/evidence", shown)).status_code == 201
    return ids


async def test_who_heard_all_entries_holds_what_the_ledger_holds(view: View) -> None:
    ids = await _some(view.ledger)
    assert await view.hear(*(await view.ledger.told(5))) == 5
    assert await view.keeper.round()
    board = await view.board()
    assert (board["loyalty"]["state"], board["loyalty"]["count"], board["orders"]["state"]) == ("agrees", 3, "silent")
    row = await view.database.pool.fetchrow("select verdict, words from promise_view where promise_id = $1", ids[0])
    assert tuple(row) == ("kept", "We will call you back by Friday 27 November, 18:00.")


async def test_what_comes_again_changes_nothing_and_what_comes_in_pieces_comes_to_the_same(view: View) -> None:
    await _some(view.ledger)
    entries = await view.ledger.told(5)
    for entry in (*entries[:2], *entries[:4], *entries):
        await view.hear(entry)
    assert await view.keeper.round()


async def test_a_view_that_is_behind_agrees_as_far_as_it_is(view: View) -> None:
    await _some(view.ledger)
    await view.hear(*(await view.ledger.told(5))[:4])
    assert await view.keeper.round()
    loyalty = (await view.board())["loyalty"]
    assert (loyalty["state"], loyalty["lag"]) == ("behind", 1)


async def test_what_was_not_heard_is_fetched(view: View) -> None:
    await _some(view.ledger)
    assert await view.hear(*(await view.ledger.told(5))[3:]) == 0
    assert await view.keeper.round()
    assert (await view.board())["loyalty"]["state"] == "agrees"


ALTERED = {
    "the amount that was promised": "made = replace(made, '\"quantity\":1', '\"quantity\":2')",
    "a duty": "made = replace(made, '\"called\"', '\"done\"')",
    "how it stands": "standing = replace(standing, '\"open\"', '\"kept\"')",
    "so much that it cannot be read": "made = left(made, 40)",
    "a letter of the words": "words = words || '.'",
    "the number of its entries": "seq = seq + 1",
}


@pytest.mark.parametrize("what", ALTERED)
async def test_one_field_altered_in_a_view_is_found_in_one_round_named_and_mended(view: View, what: str) -> None:
    ids = await _some(view.ledger)
    await view.hear(*(await view.ledger.told(5)))
    assert await view.keeper.round()
    assert await view.do(f"update promise_view set {ALTERED[what]} where promise_id = '{ids[2]}'") == "UPDATE 1"
    assert not await view.keeper.round()
    assert await view.keeper.round()
    loyalty = (await view.board())["loyalty"]
    assert (loyalty["state"], loyalty["mended"], loyalty["last_mended"]) == ("agrees", 1, ids[2])


async def test_a_row_in_another_form_is_put_anew_in_the_one_that_was_hashed(view: View) -> None:
    await _some(view.ledger)
    await view.hear(*(await view.ledger.told(5)))
    before = await view.database.pool.fetch("select made, standing from promise_view order by promise_id")
    assert await view.do("update promise_view set made = made::jsonb::text, standing = standing::jsonb::text") == "UPDATE 3"
    assert not await view.keeper.round()
    assert await view.keeper.round()
    assert await view.database.pool.fetch("select made, standing from promise_view order by promise_id") == before


WORDS = ("plain", 'quotes " and \\ back', '"erased":true', "für Sie – 日本", "{}", "%s $1")


async def test_the_database_hashes_a_view_as_is_written_down(view: View) -> None:
    """Its digests, and its hashes of buckets, against the same in Python, over what texts may hold."""
    for words in WORDS * 3:
        await view.ledger.promise(**promise_body(kind="free_text", department="care", customer_text=words))
    await view.hear(*(await view.ledger.told(18)))
    rows = await view.database.pool.fetch("select * from promise_view")
    made = [digest_over(row["promise_id"], row["made"].encode(), row["seq"], row["standing"].encode()) for row in rows]
    held = [Held(row["promise_id"], row["seq"], digest) for row, digest in zip(rows, made, strict=True)]
    assert len(held) == 18
    assert sorted(Hashed(*row) for row in await view.database.pool.fetch(hashed(HELD))) == sorted(hashed_by_hand(held))


async def test_a_promise_that_is_gone_and_one_that_never_was_are_found(view: View) -> None:
    ids = await _some(view.ledger)
    await view.hear(*(await view.ledger.told(5)))
    await view.do(f"delete from promise_view where promise_id = '{ids[1]}'")
    invented = f"'{uuid7()}', seq, position, customer_id, order_id, verdict, made, standing, salt, words"
    columns = "promise_id, seq, position, customer_id, order_id, verdict, made, standing, salt, words"
    await view.do(f"insert into promise_view ({columns}) select {invented} from promise_view where promise_id = '{ids[2]}'")
    assert not await view.keeper.round()
    assert await view.keeper.round()
    assert await view.database.pool.fetchval("select count(*) from promise_view") == 3


async def test_an_entry_that_does_not_lead_to_its_digest_is_not_taken(view: View) -> None:
    await _some(view.ledger)
    entries = await view.ledger.told(5)
    forged = EntryRecorded(5, entries[4].entry.replace('"called"', '"done"'))
    await view.hear(*entries[:4], forged)
    assert await view.database.pool.fetchval("select count(*) from promise_view where verdict = 'kept'") == 0
    assert not await view.keeper.round()
    assert await view.keeper.round()


async def test_each_signed_size_must_continue_the_one_that_was_seen_before(view: View) -> None:
    await _some(view.ledger)
    await view.keeper.round()
    assert await view.database.pool.fetchval("select witnessed_size from promise_view_state") == 5
    await view.ledger.promise()
    await view.keeper.round()
    assert await view.database.pool.fetchval("select witnessed_size from promise_view_state") == 6
    await view.do("update promise_view_state set witnessed_root = sha256('another history')")
    with pytest.raises(NoteRefused):
        await view.keeper.round()
    await view.do("update promise_view_state set witnessed_size = 60")
    with pytest.raises(NoteRefused):
        await view.keeper.round()


async def test_a_view_that_saw_more_than_the_ledger_has_does_not_agree(view: View) -> None:
    await _some(view.ledger)
    await view.hear(*(await view.ledger.told(5)))
    await view.do("update promise_view_state set position = 9, heard_to = 9")
    with pytest.raises(httpx.HTTPStatusError):
        await view.keeper.round()
    assert (await view.board())["loyalty"]["state"] == "differs"


async def test_the_feed_tells_of_every_entry_in_order_to_its_customer(view: View) -> None:
    other = str(uuid7())
    await view.ledger.promise()
    await view.ledger.promise(**promise_body(customer_id=other))
    entries = await view.ledger.told(2)
    assert [entry.position for entry in entries] == [1, 2]
    assert [message.key for message in view.ledger.feed.messages][1] == other.encode()
    assert {message.topic for message in view.ledger.feed.messages} == {"promises.entry.v1"}


async def test_the_service_s_role_may_read_the_view_and_nobody_else_s(view: View) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await view.ledger.database.pool.execute("select * from loyalty.promise_view")


async def test_the_bucket_of_a_promise_is_the_same_in_sql_and_in_python(view: View) -> None:
    ids = await _some(view.ledger)
    rows = await view.ledger.database.pool.fetch("select promise_id, bucket from ledger_promises")
    assert {str(row["promise_id"]): row["bucket"] for row in rows} == {id: bucket_of(UUID(id)) for id in ids}

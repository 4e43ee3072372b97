"""The ledger on a real PostgreSQL: one promise per order, one verdict per promise, nothing ever changed."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import asyncpg
import pytest

from tests.integration.promises.conftest import Promises
from tests.unit.promises.events import AIR, CUSTOMER, DUE_AT, GROUND, HAND_OVER, ORDER, heard

SECOND = timedelta(seconds=1)


async def test_an_order_is_promised_in_the_words_that_are_kept(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"))
    (name, made), = await promises.said()  # fmt: skip
    assert name == "PromiseMade"
    assert made["customer_text"] == "Your order will be at your door by Thursday 26 November."
    assert (made["due_on"], made["due_at"], made["hand_over_by"]) == ("2026-11-26", "2026-11-27T04:59:59Z", "2026-11-22T23:00:00Z")
    assert (made["kind"], made["seq"], made["zone"], made["carrier_service"]) == ("delivery_date", 1, "America/New_York", "ground-standard")
    assert [term["name"] for term in made["terms"]] == ["release", "queue", "pick", "pack", "pick_up", "transit", "calendar"]
    ((key, headers_key),) = await promises.rows("select convert_from(key, 'utf8'), type from outbox")
    assert (key, headers_key) == (str(CUSTOMER), "promises.PromiseMade.v1")
    assert await promises.rows("select customer_text, state, seq from promises") == [(made["customer_text"], "open", 1)]


async def test_the_words_are_the_customers_language(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced", language="de"), heard("OrderPlaced", language="fr", order_id=str(UUID(int=7))))
    german, french = [data for _, data in await promises.said("PromiseMade")]
    assert (german["customer_text"], german["language"]) == ("Ihre Bestellung ist bis Donnerstag, 26. November, bei Ihnen.", "de")
    assert (french["customer_text"], french["language"]) == ("Your order will be at your door by Thursday 26 November.", "en")


async def test_an_overnight_order_is_promised_by_the_hour(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced", service="overnight"))
    (_, made), = await promises.said()  # fmt: skip
    assert made["customer_text"] == "Your order will be at your door by 08:00 on Sunday 22 November."
    assert made["due_at"] == "2026-11-22T13:00:00Z"


async def test_an_order_by_appointment_is_promised_by_nobody_here_and_goes_its_way_all_the_same(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced", service="appointment"))
    await promises.hear(heard("DelayForeseen"), heard("ParcelDelivered"))
    assert await promises.said() == []
    assert await promises.rows("select count(*) from dead_letters") == [(0,)]


async def test_an_order_that_comes_often_is_promised_once(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"), heard("OrderPlaced"))
    await promises.hear(heard("OrderPlaced"))
    await asyncio.gather(*(promises.hear(heard("OrderPlaced")) for _ in range(20)))
    assert await promises.entries() == [(1, 1, "made")]
    assert len(await promises.said()) == 1


async def test_two_orders_placed_at_once_take_positions_without_a_gap(promises: Promises) -> None:
    ids = [UUID(int=n) for n in range(60)]
    random.Random(3).shuffle(ids)
    await asyncio.gather(*(promises.hear(*(heard("OrderPlaced", order_id=str(id)) for id in ids[n : n + 3])) for n in range(0, 60, 3)))
    assert [position for position, _, _ in await promises.entries()] == list(range(1, 61))
    assert await promises.rows("select head from ledgers") == [(60,)]
    instants = [at for (at,) in await promises.rows("select recorded_at from promise_entries order by position")]
    assert all(later > earlier for earlier, later in pairwise(instants))


async def test_a_place_nobody_drives_to_gets_a_dated_answer_once(promises: Promises) -> None:
    elsewhere = {"country": "US", "postcode_prefix": "999", "zone": "America/Anchorage"}
    await promises.hear(heard("OrderPlaced", destination=elsewhere))
    await promises.hear(heard("OrderPlaced", destination=elsewhere))
    (name, said), = await promises.said()  # fmt: skip
    assert name == "PromiseDeclined"
    assert said == {
        "order_id": str(ORDER), "customer_id": str(CUSTOMER), "reason": "no-lane", "answer_by": "2026-11-24T02:00:00Z",
        "sentence": "We do not deliver to this address that way yet; we tell you by Monday 23 November how we can.",
    }  # fmt: skip
    assert await promises.entries() == []
    await promises.hear(heard("OrderCancelled"), heard("ParcelDelivered"), heard("DelayForeseen"))
    assert len(await promises.said()) == 1


async def test_a_day_that_cannot_be_kept_is_declined_with_the_day_that_can(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced", chosen_on="2026-11-29", language="de"))
    (_, said), = await promises.said("PromiseDeclined")  # fmt: skip
    assert said["reason"] == "date-not-possible"
    assert "möglich ist Montag, 30. November" in said["sentence"]


async def test_delivered_by_the_due_instant_is_kept(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"))
    promises.at(DUE_AT + SECOND)
    await promises.hear(heard("ParcelDelivered", delivered_at=DUE_AT.isoformat()))
    (_, kept), = await promises.said("PromiseKept")  # fmt: skip
    assert kept["evidence"] == {"kind": "parcel_delivered", "id": "evt_8812", "occurred_at": "2026-11-27T04:59:59Z"}
    assert (kept["seq"], kept["due_at"]) == (2, "2026-11-27T04:59:59Z")
    assert await promises.watch() == 0
    assert await promises.rows("select state, settled_at from promises") == [("kept", DUE_AT)]


async def test_delivered_later_is_broken_at_the_due_instant_and_the_evidence_stays(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"))
    promises.at(DUE_AT + timedelta(hours=2))
    await promises.hear(heard("ParcelDelivered", delivered_at=(DUE_AT + SECOND).isoformat()))
    (_, broken), = await promises.said("PromiseBroken")  # fmt: skip
    assert (broken["broke_at"], broken["found_at"]) == ("2026-11-27T04:59:59Z", "2026-11-27T06:59:59Z")
    assert await promises.entries() == [(1, 1, "made"), (2, 2, "broken"), (3, 3, "evidence")]
    assert await promises.said("PromiseKept") == []


async def test_a_part_of_an_order_settles_nothing(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"), heard("ParcelDelivered", last=False))
    assert await promises.entries() == [(1, 1, "made")]


async def test_the_clock_alone_breaks_a_promise_once_it_is_past_due(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"))
    promises.at(DUE_AT)
    assert await promises.watch() == 0
    promises.at(DUE_AT + timedelta(milliseconds=80))
    assert await promises.watch() == 1
    assert await promises.watch() == 0
    (_, broken), = await promises.said("PromiseBroken")  # fmt: skip
    assert (broken["broke_at"], broken["found_at"]) == ("2026-11-27T04:59:59Z", "2026-11-27T04:59:59.080000Z")


async def test_evidence_after_the_verdict_is_recorded_and_the_verdict_stays(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"))
    promises.at(DUE_AT + SECOND)
    await promises.watch()
    late = heard("ParcelDelivered", delivered_at=(DUE_AT - SECOND).isoformat())
    await promises.hear(late, late)
    await promises.hear(heard("ParcelDelivered", delivered_at=(DUE_AT - SECOND).isoformat()))
    assert await promises.entries() == [(1, 1, "made"), (2, 2, "broken"), (3, 3, "evidence")]
    assert await promises.rows("select state from promises") == [("broken",)]
    assert [name for name, _ in await promises.said()] == ["PromiseMade", "PromiseBroken"]


async def test_a_cancelled_order_releases_its_promise(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"), heard("OrderCancelled"))
    await promises.hear(heard("OrderCancelled"))
    (_, released), = await promises.said("PromiseReleased")  # fmt: skip
    assert (released["consent"], released["released_at"]) == ("the customer cancelled the order", "2026-11-22T05:02:12Z")
    promises.at(DUE_AT + SECOND)
    assert await promises.watch() == 0


async def test_a_cancel_after_the_due_instant_does_not_hide_the_miss(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"))
    promises.at(DUE_AT + timedelta(hours=1))
    await promises.hear(heard("OrderCancelled", cancelled_at=(DUE_AT + SECOND).isoformat()))
    assert [name for name, _ in await promises.said()] == ["PromiseMade", "PromiseBroken"]


async def test_a_delay_makes_a_new_promise_beside_the_old_one(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"))
    promises.at("2026-11-22T20:31:00Z")
    await promises.hear(heard("DelayForeseen"), heard("DelayForeseen"))
    await promises.hear(heard("DelayForeseen", next_hand_over_by="2026-11-24T23:00:00Z"))
    (_, first), (_, second) = await promises.said("PromiseMade")
    assert second["replaces"] == first["promise_id"]
    assert second["promise_id"] != first["promise_id"]
    assert second["customer_text"] == "Your order is later than we said, and we are sorry; it will be at your door by Friday 27 November."
    assert (second["seq"], second["hand_over_by"]) == (1, "2026-11-23T23:00:00Z")
    assert await promises.rows("select state from promises order by made_at_position") == [("open",), ("open",)]
    await promises.hear(heard("ParcelDelivered", delivered_at="2026-11-27T15:00:00Z"))
    assert await promises.rows("select state from promises order by made_at_position") == [("broken",), ("kept",)]


async def test_evidence_in_time_for_the_old_date_keeps_both(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"), heard("DelayForeseen"))
    await promises.hear(heard("ParcelDelivered"))
    assert len(await promises.said("PromiseKept")) == 2


async def test_a_new_date_that_is_missed_as_well_is_followed_by_another(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"), heard("DelayForeseen"))
    await promises.hear(heard("DelayForeseen", hand_over_by="2026-11-23T23:00:00Z", next_hand_over_by="2026-11-24T23:00:00Z"))
    made = [data for _, data in await promises.said("PromiseMade")]
    assert [each["due_on"] for each in made] == ["2026-11-26", "2026-11-27", "2026-11-28"]
    assert [each["replaces"] for each in made] == [None, made[0]["promise_id"], made[1]["promise_id"]]


async def test_a_missed_departure_that_leaves_the_date_alone_is_not_told(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"))
    await promises.hear(heard("DelayForeseen", hand_over_by="2026-11-22T06:15:00Z", next_hand_over_by=HAND_OVER.isoformat()))
    assert await promises.entries() == [(1, 1, "made")]


async def test_goods_without_a_date_get_no_new_promise_and_the_old_one_breaks_on_its_day(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"), heard("DelayForeseen", cause="stock", next_hand_over_by=None))
    assert await promises.entries() == [(1, 1, "made")]
    await promises.hear(heard("DelayForeseen", cause="queue", next_hand_over_by=None))
    assert [data["due_on"] for _, data in await promises.said("PromiseMade")] == ["2026-11-26", "2026-11-27"]


async def test_news_of_an_order_nobody_placed_is_set_aside(promises: Promises) -> None:
    before = await promises.counts()
    assert await promises.hear(heard("ParcelDelivered"), heard("OrderCancelled"), heard("DelayForeseen")) == ["unknown-order"] * 3
    assert await promises.counts() == before


async def test_a_thousand_resolutions_at_once_give_one_verdict(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"))
    promises.at(DUE_AT + SECOND)
    wins = heard("ParcelDelivered", delivered_at=DUE_AT.isoformat())
    late = heard("ParcelDelivered", delivered_at=(DUE_AT + SECOND).isoformat(), evidence_id="evt_late")
    cancel = heard("OrderCancelled", cancelled_at="2026-11-26T00:00:00Z")
    ways = [lambda: promises.hear(wins), lambda: promises.hear(late), lambda: promises.hear(cancel), promises.watch]
    await asyncio.gather(*(ways[n % 4]() for n in range(1000)))
    names = [name for name, _ in await promises.said()]
    assert len([name for name in names if name in ("PromiseKept", "PromiseBroken", "PromiseReleased")]) == 1
    verdicts = [kind for _, _, kind in await promises.entries() if kind in ("kept", "broken", "released")]
    assert len(verdicts) == 1
    assert [position for position, _, _ in await promises.entries()] == list(range(1, len(await promises.entries()) + 1))


async def test_many_that_fall_due_at_once_are_broken_in_portions(promises: Promises) -> None:
    await promises.hear(*(heard("OrderPlaced", order_id=str(UUID(int=n))) for n in range(300)))
    promises.at(DUE_AT + SECOND)
    assert [await promises.watch() for _ in range(3)] == [250, 50, 0]


async def test_the_database_itself_refuses_a_second_promise_for_the_same(promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"), heard("DelayForeseen"))
    again = """insert into promises select (jsonb_populate_record(p, jsonb_build_object('promise_id', gen_random_uuid(), 'made_at_position', 9))).*
        from promises p where made_at_position = $1"""
    for position in (1, 2):
        with pytest.raises(asyncpg.UniqueViolationError, match="promises_of_order"):
            await promises.rows(again, position)


async def test_the_promises_of_an_order_are_found_without_reading_all(promises: Promises) -> None:
    async with promises.database.pool.acquire() as connection, connection.transaction():
        await connection.execute("set local enable_seqscan = off")
        plan = await connection.fetch("explain select from promises where order_id = $1", ORDER)
    assert any("promises_of_order" in line for (line,) in plan)


async def test_the_ledger_refuses_every_change(promises: Promises, database_url: str) -> None:
    await promises.hear(heard("OrderPlaced"))
    columns = [name for (name,) in await promises.rows(
        "select column_name::text from information_schema.columns where table_schema = 'promises' and table_name = 'promise_entries'")]  # fmt: skip
    assert len(columns) == 9
    changes = [f"update promise_entries set {column} = {column}" for column in columns]
    changes += ["delete from promise_entries", "truncate promise_entries", "truncate ledgers cascade", "update quotes set answer = answer"]
    async with promises.database.pool.acquire() as connection:
        for change in changes:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(change)
        await connection.execute("grant all on promise_entries, quotes to current_user")
        for change in changes:
            with pytest.raises(asyncpg.RaiseError, match="never changed"):
                await connection.execute(change)
    administrator = await asyncpg.connect(database_url, server_settings={"search_path": "promises", "session_replication_role": "replica"})
    for change in changes:
        with pytest.raises(asyncpg.RaiseError, match="never changed"):
            await administrator.execute(change)
    await administrator.close()
    assert await promises.entries() == [(1, 1, "made")]


async def test_a_schedule_that_comes_late_does_not_undo_a_newer_one(promises: Promises) -> None:
    newer = heard("CarrierServiceScheduled", GROUND | {"lanes": []}, version=3)
    older = heard("CarrierServiceScheduled", GROUND, version=2)
    await promises.hear(newer, older)
    await promises.hear(older)
    await promises.hear(heard("OrderPlaced"))
    assert [name for name, _ in await promises.said()] == ["PromiseDeclined"]
    await promises.hear(heard("CarrierServiceScheduled", GROUND, version=4))
    await promises.hear(heard("OrderPlaced", order_id=str(UUID(int=2))))
    assert [name for name, _ in await promises.said()] == ["PromiseDeclined", "PromiseMade"]


async def test_a_withdrawn_service_carries_nothing(promises: Promises) -> None:
    await promises.hear(heard("CarrierServiceScheduled", AIR | {"withdrawn": True}, version=2), heard("OrderPlaced", service="overnight"))
    assert [name for name, _ in await promises.said()] == ["PromiseDeclined"]


async def test_a_longer_queue_moves_the_date(promises: Promises) -> None:
    await promises.hear(heard("QueueMeasured", work_seconds=4 * 64_800, version=2))
    await promises.hear(heard("OrderPlaced"))
    (_, made), = await promises.said()  # fmt: skip
    assert made["due_on"] == "2026-11-27"
    assert datetime.fromisoformat(made["hand_over_by"]) == datetime(2026, 11, 23, 23, tzinfo=UTC)

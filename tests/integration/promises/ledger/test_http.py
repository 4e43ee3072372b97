"""The ledger over HTTP: promised, carried out, broken, made good; and what it says no to, without writing anything."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.kit.clock import FixedClock
from services.kit.ids import uuid7
from services.promises.ledger.compensating import compensation_id
from tests.integration.promises.ledger.speaking import CUSTOMER, Speaking, promise_body, speaking
from tests.unit.promises.ledger.asking import NOW


@pytest.fixture
async def ledger(database_url: str, tmp_path: Path, clock: FixedClock) -> AsyncIterator[Speaking]:  # type: ignore[override]  # over HTTP here
    async with speaking(database_url, tmp_path, clock) as made:
        yield made


async def test_what_was_promised_is_read_in_the_very_words_that_were_said(ledger: Speaking) -> None:
    receipt = await ledger.promise()
    view = await ledger.standing(receipt["promise_id"])
    assert view["customer_text"] == "We will call you back by Friday 27 November, 18:00."
    assert (view["verdict"], view["seq"], view["state_digest"]) == ("open", 1, receipt["state_digest"])
    assert [(duty["department"], duty["evidence"]) for duty in view["duties"]] == [("care", "called")]
    assert view["due"]["at"] == "2026-11-27T17:00:00Z"


async def test_the_customer_sees_it_and_not_what_stands_behind_it(ledger: Speaking) -> None:
    receipt = await ledger.promise()
    mine = await ledger.get(f"/v1/promises/{receipt['promise_id']}", "customer", CUSTOMER)
    assert mine.json()["customer_text"].startswith("We will call you back")
    assert not {"duties", "received", "settled_by", "tariff"} & mine.json().keys()
    assert (await ledger.get(f"/v1/promises/{receipt['promise_id']}", "customer", str(uuid7()))).status_code == 404


@pytest.mark.parametrize(
    ("kind", "more", "english", "german"),
    [
        (
            "refund",
            {"amount_minor": 129900},
            "We will refund €1,299.00 to you by Friday 27 November.",
            "Wir erstatten Ihnen 1.299,00\xa0€, spätestens am Freitag, 27. November.",
        ),
        (
            "send_information",
            {"thing": "the manual"},
            "We will send you the manual by Friday 27 November.",
            "Wir senden Ihnen the manual zu, spätestens am Freitag, 27. November.",
        ),
        ("answer_by", {}, "You will have our answer by Friday 27 November.", "Sie haben unsere Antwort spätestens am Freitag, 27. November."),
    ],
)
async def test_the_ledger_finds_the_words_in_the_customer_s_language(
    ledger: Speaking, kind: str, more: dict[str, Any], english: str, german: str
) -> None:
    due = {"said": "2026-11-27", "zone": "Europe/Berlin"}
    for language, sentence in (("en", english), ("de", german), ("fr", english)):
        receipt = await ledger.promise(kind=kind, language=language, due=due, **more, distinct_from=None, order_id=str(uuid7()))
        assert (await ledger.standing(receipt["promise_id"]))["customer_text"] == sentence


async def test_the_same_request_gets_the_same_receipt_and_another_is_told_what_differs(ledger: Speaking) -> None:
    body = promise_body()
    first = await ledger.post("/v1/promises", body, "k-1")
    again = await ledger.post("/v1/promises", body, "k-1")
    assert (first.status_code, again.status_code, again.content) == (201, 200, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    other = await ledger.post("/v1/promises", body | {"due": {"said": "2026-11-28", "zone": "Europe/Berlin"}}, "k-1")
    assert (other.status_code, other.json()["type"]) == (422, "urn:kept:problem:key-reused")
    assert (other.json()["differs"], other.json()["position"]) == (["due"], 1)
    assert await ledger.count() == 1


async def test_fifty_equal_requests_at_once_make_one_entry(ledger: Speaking) -> None:
    body = promise_body()
    answered = await asyncio.gather(*(ledger.post("/v1/promises", body, "k-1") for _ in range(50)))
    assert sorted(each.status_code for each in answered) == [200] * 49 + [201]
    assert len({each.content for each in answered}) == 1
    assert await ledger.count() == 1


async def test_a_person_looks_at_it_before_it_is_promised(ledger: Speaking) -> None:
    body = promise_body()
    asked = {name: value for name, value in body.items() if name != "promise_id"}
    unseen = await ledger.post("/v1/promises", body, role="care", subject="care-7")
    assert unseen.status_code == 428
    seen = (await ledger.post("/v1/promises:dry-run", asked, None, "care", "care-7")).json()
    assert seen["customer_text"] == "We will call you back by Friday 27 November, 18:00."
    assert seen["compensation"] == {"kind": "refund", "amount_minor": 500, "currency": "EUR", "within_days": 5}
    later = body | {"due": {"said": "2026-11-27T19:00", "zone": "Europe/Berlin"}, "preview": seen["preview"]}
    changed = await ledger.post("/v1/promises", later, role="care", subject="care-7")
    assert (changed.status_code, changed.json()["type"]) == (409, "urn:kept:problem:preview-changed")
    assert await ledger.count() == 0
    done = await ledger.post("/v1/promises", body | {"preview": seen["preview"]}, role="care", subject="care-7")
    assert done.status_code == 201


async def test_an_hour_that_comes_twice_is_shown_with_both_readings(ledger: Speaking) -> None:
    asked = {name: value for name, value in promise_body(due={"said": "2027-10-31T02:30", "zone": "Europe/Berlin"}).items() if name != "promise_id"}
    seen = (await ledger.post("/v1/promises:dry-run", asked, None)).json()
    assert (seen["due"]["at"], seen["due"]["readings"]) == ("2027-10-31T00:30:00Z", ["2027-10-31T00:30:00Z", "2027-10-31T01:30:00Z"])


async def test_kept_by_evidence_of_the_type_that_keeps_it(ledger: Speaking, clock: FixedClock) -> None:
    promise = f"/v1/promises/{(await ledger.promise())['promise_id']}"
    assert (await ledger.post(f"{promise}/acknowledgements", {"department": "care"})).status_code == 201
    again = await ledger.post(f"{promise}/acknowledgements", {"department": "care"})
    assert (again.status_code, again.json()["unchanged"]) == (200, True)
    clock.advance(timedelta(hours=1))
    shown = await ledger.post(f"{promise}/evidence", {"id": "call-1", "type": "called", "at": NOW.isoformat()})
    assert shown.status_code == 201, shown.text
    view = await ledger.standing(promise.rpartition("/")[2])
    assert (view["verdict"], view["fulfilment"], view["settled_at"]) == ("kept", "done", "2026-11-25T09:12:00Z")


async def test_a_device_s_clock_is_set_right_before_its_evidence_is_judged(ledger: Speaking) -> None:
    promise = f"/v1/promises/{(await ledger.promise())['promise_id']}"
    ahead = {"id": "call-1", "type": "called", "at": (NOW + timedelta(minutes=3)).isoformat()}
    early = await ledger.post(f"{promise}/evidence", ahead)
    assert (early.status_code, early.json()["type"]) == (409, "urn:kept:problem:evidence-from-the-future")
    assert (await ledger.post(f"{promise}/evidence", ahead | {"clock_ahead_ms": 180_000})).status_code == 201


async def test_broken_at_its_due_instant_and_made_good_in_the_same_commit(ledger: Speaking, clock: FixedClock) -> None:
    order = str(uuid7())
    promise_id = (await ledger.promise(order_id=order))["promise_id"]
    clock.advance(timedelta(days=3))
    await ledger.until(3)
    view = await ledger.standing(promise_id)
    assert (view["verdict"], view["settled_at"], view["settled_by"]) == ("broken", view["due"]["at"], "ledger")
    good = await ledger.standing(str(compensation_id(promise_id)))
    assert (good["kind"], good["amount_minor"], good["cause"], good["order_id"]) == ("refund", 500, promise_id, order)
    assert good["customer_text"] == (
        "We did not keep a promise to you. We will refund €5.00 by Thursday 3 December, to your card or, without one, as credit; "
        "you need not do anything."
    )
    assert [duty["department"] for duty in good["duties"]] == ["payments"]


async def test_a_broken_compensation_is_made_good_once_more_and_then_goes_to_a_person(ledger: Speaking, clock: FixedClock) -> None:
    promise_id = (await ledger.promise())["promise_id"]
    kinds = []
    for entries in (3, 5, 7, 8):
        clock.advance(timedelta(days=7))
        await ledger.until(entries)
        promise_id = str(compensation_id(promise_id))
        if entries < 8:
            view = await ledger.standing(promise_id)
            kinds.append((view["kind"], view["amount_minor"], [duty["department"] for duty in view["duties"]]))
    assert kinds == [("refund", 500, ["payments"]), ("refund", 500, ["payments"]), ("follow_up", 0, ["care"])]


async def test_never_more_than_the_order_was_worth_and_nothing_beside_what_it_rides_with(ledger: Speaking, clock: FixedClock) -> None:
    small = (await ledger.promise(order_minor=120))["promise_id"]
    await ledger.promise(rides_with=small, kind="answer_by")
    clock.advance(timedelta(days=3))
    await ledger.until(5)
    assert (await ledger.standing(str(compensation_id(small))))["amount_minor"] == 120


async def test_what_is_promised_and_not_paid_is_told_by_kind_age_and_cause(ledger: Speaking, clock: FixedClock) -> None:
    await ledger.promise(kind="refund", amount_minor=4000, due={"said": "2026-12-20", "zone": "Europe/Berlin"})
    await ledger.promise(kind="refund", amount_minor=2500, due={"said": "2026-12-20", "zone": "Europe/Berlin"}, order_id=str(uuid7()))
    paid = (await ledger.promise(kind="credit", amount_minor=900))["promise_id"]
    await ledger.post(f"/v1/promises/{paid}/evidence", {"id": "pay-1", "type": "credited", "at": NOW.isoformat()})
    await ledger.promise()
    clock.advance(timedelta(days=3))
    await ledger.until(7)
    told = (await ledger.get("/v1/liability", "planner")).json()["owing"]
    assert [tuple(each.values()) for each in told] == [("refund", "EUR", False, "week", 2, 6500), ("refund", "EUR", True, "day", 1, 500)]


async def test_a_late_call_that_was_made_in_time_mends_the_verdict(ledger: Speaking, clock: FixedClock) -> None:
    promise = f"/v1/promises/{(await ledger.promise())['promise_id']}"
    evidence = {"id": "call-1", "type": "called", "at": (NOW + timedelta(hours=1)).isoformat()}
    clock.advance(timedelta(days=3))
    await ledger.until(3)
    wrong = await ledger.post(f"{promise}/corrections", {"seq": 1, "evidence": evidence})
    assert (wrong.status_code, wrong.json()["type"]) == (409, "urn:kept:problem:nothing-to-mend")
    assert (await ledger.post(f"{promise}/corrections", {"seq": 2, "evidence": evidence})).status_code == 201
    assert (await ledger.standing(promise.rpartition("/")[2]))["verdict"] == "kept"
    past = await ledger.get(f"{promise}?as_known_at=2026-11-28T09:12:00.000001Z")
    assert past.json()["verdict"] == "broken"
    before = await ledger.get(f"{promise}?effective_at=2026-11-25T09:30:00Z")
    assert before.json()["verdict"] == "open"


async def test_a_new_date_stands_beside_the_old_one_until_the_customer_agrees(ledger: Speaking) -> None:
    old = (await ledger.promise())["promise_id"]
    later = promise_body(due={"said": "2026-12-01", "zone": "Europe/Berlin"})
    assert (await ledger.post(f"/v1/promises/{old}/replacements", later)).status_code == 201
    assert [(await ledger.standing(id))["verdict"] for id in (old, later["promise_id"])] == ["open", "open"]
    agreed = promise_body(due={"said": "2026-12-02", "zone": "Europe/Berlin"}) | {"consent": "on the phone, 9:20"}
    stale = await ledger.post(f"/v1/promises/{old}/replacements", agreed, if_match='"7"')
    assert (stale.status_code, await ledger.count()) == (412, 2)
    assert (await ledger.post(f"/v1/promises/{old}/replacements", agreed, if_match='"1"')).status_code == 201
    assert (await ledger.standing(old))["verdict"] == "released"
    assert (await ledger.standing(agreed["promise_id"]))["replaces"] == old
    missing = await ledger.post(f"/v1/promises/{uuid7()}/replacements", promise_body())
    assert missing.status_code == 404


async def test_released_at_our_request_is_paid_like_a_break(ledger: Speaking) -> None:
    promise_id = (await ledger.promise())["promise_id"]
    given = await ledger.post(f"/v1/promises/{promise_id}/release", {"consent": "agreed by phone", "asked_by_us": True})
    assert given.status_code == 201, given.text
    assert (await ledger.standing(promise_id))["verdict"] == "released"
    assert (await ledger.standing(str(compensation_id(promise_id))))["amount_minor"] == 500


async def test_a_batch_answers_for_each_and_one_bad_one_does_not_fail_the_others(ledger: Speaking) -> None:
    good, late = promise_body(key="b-1"), promise_body(key="b-2", due={"said": "2026-11-01", "zone": "Europe/Berlin"})
    goods = promise_body(key="b-3", kind="gift", sku="HDMI-2M", thing="a cable")
    ledger.shelves.gone.add("HDMI-2M")
    answered = await ledger.post("/v1/promises:batch", {"promises": [good, late, goods]}, None)
    told = answered.json()["answers"]
    assert [each["status"] for each in told] == [201, 409, 409]
    assert told[1]["answer"]["type"] == "urn:kept:problem:already-due"
    assert "call_back" in told[2]["answer"]["instead"]
    alone = await ledger.post("/v1/promises", {name: value for name, value in good.items() if name != "key"}, "b-1")
    assert (alone.status_code, alone.json()) == (200, told[0]["answer"])


async def test_a_hold_that_nobody_answers_fails_its_own_promise_alone_and_is_not_remembered(ledger: Speaking) -> None:
    ledger.shelves.silent.add("HDMI-2M")
    call, silent = promise_body(key="s-1"), promise_body(key="s-2", kind="gift", sku="HDMI-2M", thing="a cable")
    other = promise_body(key="s-3", kind="gift", sku="LM-43", thing="a television")
    batch = {"promises": [silent, call, other]}
    told = (await ledger.post("/v1/promises:batch", batch, None)).json()["answers"]
    assert [each["status"] for each in told] == [503, 201, 201]
    assert told[0]["answer"]["type"] == "urn:kept:problem:nothing-can-be-held"
    assert [each["answer"]["promise_id"] for each in told[1:]] == [call["promise_id"], other["promise_id"]], "each answer stands at its own place"
    alone = await ledger.post("/v1/promises:batch", {"promises": [silent]}, None)
    assert [each["status"] for each in alone.json()["answers"]] == [503]
    ledger.shelves.silent.clear()
    again = (await ledger.post("/v1/promises:batch", batch, None)).json()["answers"]
    assert ([each["status"] for each in again], again[1:]) == ([201, 200, 200], [each | {"status": 200} for each in told[1:]])


BAD = {
    "past due": (409, {"due": {"said": "2026-11-01", "zone": "Europe/Berlin"}}),
    "empty words": (422, {"customer_text": " "}),
    "bidi": (422, {"customer_text": "We call \u202eyou"}),
    "zero width": (422, {"customer_text": "We call\u200byou"}),
    "two lines": (422, {"customer_text": "We call\nyou"}),
    "too long": (422, {"customer_text": "x" * 281}),
    "unknown department": (422, {"kind": "free_text", "customer_text": "We do it.", "department": "sales"}),
    "nobody must act": (422, {"kind": "free_text", "customer_text": "We do it."}),
    "negative amount": (422, {"kind": "refund", "amount_minor": -5}),
    "no amount": (422, {"kind": "refund"}),
    "unknown currency": (422, {"kind": "refund", "amount_minor": 5, "currency": "XYZ"}),
    "no such day": (422, {"due": {"said": "2027-02-30", "zone": "Europe/Berlin"}}),
    "no such zone": (422, {"due": {"said": "2027-02-28", "zone": "Europe/Nowhere"}}),
    "goods for no order": (422, {"kind": "gift", "sku": "HDMI-2M", "thing": "a cable", "order_id": None}),
    "an id without its time": (422, {"promise_id": "6d1f9c3e-6f0c-4a44-9a1b-6b6570740001"}),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_input_is_refused_and_nothing_is_written(ledger: Speaking, name: str) -> None:
    status, changes = BAD[name]
    answered = await ledger.post("/v1/promises", promise_body(**changes))
    assert answered.status_code == status, answered.text
    assert answered.headers["content-type"] == "application/problem+json"
    assert (await ledger.count(), await ledger.count("ledger_words")) == (0, 0)


async def test_no_key_and_a_bad_if_match_are_refused(ledger: Speaking) -> None:
    assert (await ledger.post("/v1/promises", promise_body(), None)).status_code == 400
    promise = f"/v1/promises/{(await ledger.promise())['promise_id']}"
    void = {"reason": "typed twice"}
    assert (await ledger.post(f"{promise}/void", void, if_match="abc")).status_code == 400
    assert (await ledger.post(f"{promise}/void", void, if_match='"9"')).status_code == 412
    assert (await ledger.post(f"{promise}/void", void, if_match='"1"')).status_code == 201


async def test_of_many_who_settle_it_at_once_one_gives_the_verdict_and_all_others_are_told_the_same(ledger: Speaking) -> None:
    promise = f"/v1/promises/{(await ledger.promise())['promise_id']}"
    ways = [("void", {"reason": "typed twice"}), ("release", {"consent": "on the phone"})]
    answered = await asyncio.gather(*(ledger.post(f"{promise}/{way}", body, if_match='"1"') for way, body in ways * 40))
    lost = [each.json() | {"instance": ""} for each in answered if each.status_code != 201]
    assert len(lost) == 79
    assert all(each == lost[0] for each in lost), lost[:2]
    assert lost[0]["type"] == "urn:kept:problem:already-settled"


async def test_entries_feed_checkpoint_and_proofs_tell_the_same_log(ledger: Speaking) -> None:
    receipts = [await ledger.promise() for _ in range(5)]
    feed = (await ledger.get("/v1/feed?after=2&limit=2", "service", "fulfilment")).json()
    assert (feed["size"], [each["position"] for each in feed["entries"]]) == (5, [3, 4])
    assert feed["entries"][0]["words"].startswith("We will call you back")
    point = (await ledger.get("/v1/checkpoint")).json()
    assert (point["size"], point["note"].splitlines()[1]) == (5, "5")
    entries = (await ledger.get(f"/v1/promises/{receipts[2]['promise_id']}/entries")).json()["entries"]
    assert entries == feed["entries"][:1]
    proof = (await ledger.get("/v1/proofs/inclusion?position=3&size=5")).json()
    assert len(proof["hashes"]) == 3
    assert (await ledger.get("/v1/proofs/consistency?from=3&to=5")).json()["hashes"]
    beyond = await ledger.get("/v1/proofs/inclusion?position=3&size=9")
    assert (beyond.status_code, beyond.json()["size"]) == (404, 5)


async def test_who_waits_for_a_position_is_answered_when_it_is_written_or_told_how_far_it_is(ledger: Speaking) -> None:
    promise_id = (await ledger.promise())["promise_id"]
    waiting = asyncio.create_task(ledger.get(f"/v1/promises/{promise_id}?min_position=2"))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await ledger.promise()
    assert (await waiting).status_code == 200
    behind = await ledger.get(f"/v1/promises/{promise_id}?min_position=9")
    assert (behind.status_code, behind.json()["position"]) == (404, 2)
    assert (await ledger.get(f"/v1/promises/{promise_id}?min_position=1003")).status_code == 404


async def test_a_customer_s_promises_in_the_order_of_their_last_entries(ledger: Speaking) -> None:
    ids = [(await ledger.promise())["promise_id"] for _ in range(3)]
    await ledger.post(f"/v1/promises/{ids[0]}/acknowledgements", {"department": "care"})
    path = f"/v1/customers/{CUSTOMER}/promises"
    mine = (await ledger.get(path, "customer", CUSTOMER)).json()
    assert [each["promise_id"] for each in mine["promises"]] == [ids[1], ids[2], ids[0]]
    assert mine["as_of"]["position"] == 4
    since = (await ledger.get(f"{path}?since=3", "customer", CUSTOMER)).json()
    assert [each["promise_id"] for each in since["promises"]] == [ids[0]]
    assert (await ledger.get(path, "customer", str(uuid7()))).status_code == 404

"""Loyalty over HTTP: who may learn what, rules that two people change at once, and rubbish that changes nothing."""

import asyncio
import json
from typing import Any

from services.kit.tokens import ROLES
from services.loyalty.domain import SlotReserved
from tests.integration.loyalty.conftest import Loyalty
from tests.integration.loyalty.test_store import CUSTOMERS, prepare, want
from tests.support.api import Api
from tests.unit.loyalty.build import TODAY, heard, order, uuid

RULES = {
    "tiers": [{"tier": "silver", "from_orders": 2, "upgraded": False}, {"tier": "gold", "from_orders": 3, "upgraded": True}],
    "daily_limit": {"amount_minor": 900, "currency": "GBP"},
    "days_between": 7,
    "holdout_percent": 0,
}
FIRST = CUSTOMERS[0]


def sent(**changes: Any) -> bytes:
    return json.dumps(RULES | changes).encode()


async def test_a_customer_learns_the_own_tier_and_nothing_else(api: Api, loyalty: Loyalty) -> None:
    await prepare(loyalty, FIRST)
    customer = str(order(customer=FIRST).customer_id)
    own = await api.call("GET", f"/v1/customers/{customer}/tier", role="customer", subject=customer)
    assert own.json() == {"customer_id": customer, "tier": "silver"}
    other = await api.call("GET", f"/v1/customers/{customer}/tier", role="customer", subject=str(uuid(3)))
    assert other.status_code == 404


async def test_staff_see_the_history_behind_a_tier(api: Api, loyalty: Loyalty) -> None:
    await prepare(loyalty, FIRST)
    customer = str(order(customer=FIRST).customer_id)
    told = (await api.call("GET", f"/v1/customers/{customer}/tier", role="care")).json()
    assert told == {"customer_id": customer, "tier": "silver", "rules_version": 1, "before": 0, "pending": 3, "completed": 0, "spent": {}}
    stranger = (await api.call("GET", f"/v1/customers/{uuid(99)}/tier", role="care")).json()
    assert (stranger["tier"], stranger["pending"]) == ("none", 0)


async def test_orders_of_the_time_before_count_for_the_tier_once(api: Api, loyalty: Loyalty) -> None:
    await prepare(loyalty, FIRST)
    for customer, orders in ((order(customer=FIRST).customer_id, 7), (uuid(98), 10)):
        for _ in range(2):
            told = await api.call("PUT", f"/v1/customers/{customer}/history", content=b'{"orders_before": %d}' % orders, role="planner")
            assert (told.status_code, told.json()["tier"], told.json()["before"]) == (200, "gold", orders)


async def test_a_history_that_is_rubbish_or_not_theirs_to_tell_changes_nothing(api: Api, loyalty: Loyalty) -> None:
    path = f"/v1/customers/{uuid(98)}/history"
    rubbish = {b"": 400, b"{}": 422, b'{"orders_before": -1}': 422, b'{"orders_before": true}': 422, b"[1]": 422}
    for content, status in rubbish.items():
        assert (await api.call("PUT", path, content=content)).status_code == status, content
    for role in sorted(set(ROLES) - {"planner", "admin"}):
        assert (await api.call("PUT", path, content=b'{"orders_before": 5}', role=role)).status_code == 403, role
    assert (await api.call("PUT", "/v1/customers/7/history", content=b'{"orders_before": 5}')).status_code == 404
    assert await loyalty.rows("select * from customers") == []


async def test_nobody_but_planners_learns_of_upgrades(api: Api) -> None:
    for path in ("/v1/upgrade-rules", "/v1/upgrade-budget?on=2026-11-21", "/v1/upgrades?on=2026-11-21"):
        answers = {role: (await api.call("GET", path, role=role)).status_code for role in sorted(ROLES)}
        assert answers == {role: 200 if role in ("planner", "admin") else 403 for role in ROLES}, path
        assert (await api.call("GET", path, role=None)).status_code == 401


async def test_budget_and_upgrades_of_a_day(api: Api, loyalty: Loyalty) -> None:
    second = CUSTOMERS[1]
    await prepare(loyalty, FIRST, second)
    await loyalty.hear(heard(SlotReserved(uuid(FIRST), await want(loyalty, FIRST))))
    await want(loyalty, second)
    budget = (await api.call("GET", f"/v1/upgrade-budget?on={TODAY}", role="planner")).json()
    assert budget == {
        "on": "2026-11-21", "currency": "GBP", "limit_minor": 25_000, "reserved_minor": 600, "spent_minor": 600, "left_minor": 23_800,
    }  # fmt: skip
    newest = (await api.call("GET", f"/v1/upgrades?on={TODAY}&limit=1")).json()
    assert newest["counts"] == {"granted": 1, "wanted": 1}
    assert [row["state"] for row in newest["upgrades"]] == ["wanted"]
    older = (await api.call("GET", f"/v1/upgrades?on={TODAY}&limit=5&before={newest['next']}")).json()
    assert [(row["state"], row["cost_minor"]) for row in older["upgrades"]] == [("granted", 600)]
    assert older["next"] is None


async def test_a_day_on_which_nothing_happened_has_the_whole_limit(api: Api) -> None:
    assert (await api.call("GET", "/v1/upgrade-budget?on=2026-01-01")).json()["left_minor"] == 25_000
    assert (await api.call("GET", "/v1/upgrades?on=2026-01-01")).json() == {"on": "2026-01-01", "counts": {}, "upgrades": [], "next": None}


async def test_rules_are_changed_by_whoever_read_them_last(api: Api, loyalty: Loyalty) -> None:
    read = await api.call("GET", "/v1/upgrade-rules", role="planner")
    assert read.headers["etag"] == '"1"'
    changed = await api.call("PUT", "/v1/upgrade-rules", content=sent(), if_match='"1"', role="planner", subject="Kim")
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert changed.json() == {"version": 2, **RULES}
    late = await api.call("PUT", "/v1/upgrade-rules", content=sent(), if_match='"1"')
    assert (late.status_code, late.json()["type"]) == (412, "urn:kept:problem:rules-changed")
    assert await loyalty.rows("select version, changed_by from rules order by 1") == [(1, "migration"), (2, "Kim")]


async def test_of_two_changes_at_once_one_is_refused(api: Api, loyalty: Loyalty) -> None:
    both = await asyncio.gather(*(api.call("PUT", "/v1/upgrade-rules", content=sent(), if_match='"1"') for _ in range(8)))
    assert sorted(answer.status_code for answer in both) == [200, *[412] * 7]


async def test_a_lowered_limit_binds_the_day_that_runs_and_keeps_what_is_committed(api: Api, loyalty: Loyalty) -> None:
    await prepare(loyalty, FIRST, CUSTOMERS[1])
    await want(loyalty, FIRST)
    await api.call("PUT", "/v1/upgrade-rules", content=sent(), if_match='"1"')
    assert await loyalty.rows("select limit_minor, reserved_minor from budget_days") == [(900, 600)]
    await want(loyalty, CUSTOMERS[1])
    assert [data.get("reason") for _, data in await loyalty.said()] == [None, "budget-spent"]


BAD_BODIES: list[tuple[bytes, int]] = [
    (b"", 400),
    (b"{", 400),
    (b"[" * 50_000, 400),
    (b'{"days_between": NaN}', 400),
    (sent() + b"{}", 400),
    (b'{"tiers": [], "tiers": []}', 400),
    (b"null", 422),
    (b"[]", 422),
    (b"{}", 422),
    (sent(colour="red"), 422),
    (sent(days_between=-1), 422),
    (sent(days_between="7"), 422),
    (sent(days_between=True), 422),
    (sent(days_between=7.5), 422),
    (sent(days_between=10**30), 422),
    (sent(holdout_percent=101), 422),
    (sent(daily_limit={"amount_minor": -1, "currency": "GBP"}), 422),
    (sent(daily_limit={"amount_minor": 1, "currency": "XXL"}), 422),
    (sent(daily_limit=None), 422),
    (sent(tiers=[{"tier": "none", "from_orders": 1, "upgraded": True}]), 422),
    (sent(tiers=[{"tier": "a", "from_orders": 3, "upgraded": True}, {"tier": "b", "from_orders": 2, "upgraded": True}]), 422),
    (sent(tiers=[{"tier": "Gold\u0000", "from_orders": 1, "upgraded": True}]), 400),
    (sent(tiers=[{"tier": "\ud800", "from_orders": 1, "upgraded": True}]), 400),
    (sent(tiers=[{"tier": "t", "from_orders": 1, "upgraded": True}] * 11), 422),
    (b" " * 10_000_000, 413),
]


async def test_rubbish_rules_are_refused_and_change_nothing(api: Api, loyalty: Loyalty) -> None:
    for content, status in BAD_BODIES:
        answer = await api.call("PUT", "/v1/upgrade-rules", content=content, if_match='"1"')
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), content[:200]
    assert await loyalty.rows("select count(*) from rules") == [(1,)]


BAD_HEADERS: list[tuple[dict[str, str], int]] = [
    ({}, 428),
    ({"if_match": "1"}, 412),
    ({"if_match": "*"}, 412),
    ({"if_match": '"99999999999999999999"'}, 412),
    ({"if_match": '"1"', "content_type": "text/plain"}, 415),
    ({"if_match": '"1"', "accept": "text/csv"}, 406),
]


async def test_rules_are_not_changed_without_knowing_them(api: Api, loyalty: Loyalty) -> None:
    for headers, status in BAD_HEADERS:
        assert (await api.call("PUT", "/v1/upgrade-rules", content=sent(), **headers)).status_code == status, headers
    assert await loyalty.rows("select count(*) from rules") == [(1,)]


ADDRESSES = [
    ("/v1/customers/7/tier", 404),
    ("/v1/customers/%00/tier", 400),
    ("/v1/customers/%ff/tier", 400),
    ("/v1/upgrade-budget", 422),
    ("/v1/upgrade-budget?on=today", 422),
    ("/v1/upgrade-budget?on=2026-02-30", 422),
    ("/v1/upgrade-budget?on=1700000000", 422),
    ("/v1/upgrades?on=2026-11-21&limit=0", 422),
    ("/v1/upgrades?on=2026-11-21&limit=101", 422),
    ("/v1/upgrades?on=2026-11-21&limit=x", 422),
    ("/v1/upgrades?on=2026-11-21&before=x", 422),
    ("/v1/upgrades?on=0001-01-01", 200),
    ("/v1/upgrades?on=9999-12-31", 200),
    ("/v1/upgrades", 422),
    ("/v1/nothing", 404),
]


async def test_rubbish_addresses_are_refused(api: Api) -> None:
    for path, status in ADDRESSES:
        assert (await api.call("GET", path)).status_code == status, path

"""Messages over HTTP: staff see what was sent and why, nobody sees text or address, and rubbish changes nothing."""

import json

from services.kit.tokens import ROLES
from tests.integration.notifications.conftest import Notifications
from tests.support.api import Api
from tests.unit.notifications.build import CUSTOMER, ORDER, contact, heard, life, placed, promised, uuid

STAFF = {"care", "planner", "admin"}


async def test_the_messages_of_an_order_are_listed_without_text_or_address(api: Api, notifications: Notifications) -> None:
    await notifications.hear(heard(placed()), heard(contact()), *life()[:1])
    await notifications.send()
    await notifications.hear(*life()[1:])
    listed = (await api.call("GET", f"/v1/messages?order_id={ORDER}", role="care")).json()["messages"]
    assert [(message["intent"], message["state"]) for message in listed] == [
        ("confirmed", "sent"), ("delayed", "suppressed"), ("handed_over", "suppressed"), ("delivered", "waiting"),
    ]  # fmt: skip
    assert "example.com" not in json.dumps(listed)
    assert "door" not in json.dumps(listed)
    one = (await api.call("GET", f"/v1/messages/{listed[0]['message_id']}")).json()
    assert one == listed[0]
    assert (one["customer_id"], one["language"], one["attempts"]) == (str(CUSTOMER), "en", 1)


async def test_messages_in_doubt_are_listed(api: Api, notifications: Notifications) -> None:
    await notifications.hear(heard(placed()), heard(contact()), heard(promised()))
    await notifications.rows("update messages set state = 'sending', attempt_id = $1 returning 1", uuid(9))
    await notifications.send()
    listed = (await api.call("GET", "/v1/messages?state=unknown")).json()["messages"]
    assert [(message["order_id"], message["reason"]) for message in listed] == [(str(ORDER), "interrupted")]
    assert (await api.call("GET", "/v1/messages?state=failed")).json() == {"messages": []}


async def test_a_message_can_be_seen_before_anybody_gets_it(api: Api) -> None:
    for intent in ("confirmed", "delayed", "handed_over", "delivered", "cancelled"):
        for language, hello in (("en", "Hello Ada Byron,"), ("de", "Guten Tag Ada Byron,")):
            seen = (await api.call("GET", f"/v1/messages/preview?intent={intent}&language={language}", role="planner")).json()["rendered"]
            assert hello in seen["text"]
            assert hello in seen["html"]
            assert "VCMR-R6G1" in seen["subject"]


async def test_only_staff_may_look(api: Api) -> None:
    for path in (f"/v1/messages?order_id={ORDER}", f"/v1/messages/{ORDER}", "/v1/messages/preview?intent=confirmed&language=en"):
        answers = {role: (await api.call("GET", path, role=role)).status_code for role in ROLES}
        assert {role for role, status in answers.items() if status != 403} == STAFF, path
        assert (await api.call("GET", path, role=None)).status_code == 401


ADDRESSES = [
    ("/v1/messages", 422),
    ("/v1/messages?order_id=7", 422),
    ("/v1/messages?order_id=", 422),
    (f"/v1/messages?order_id={ORDER}&state=sent", 422),
    ("/v1/messages?state=lost", 422),
    ("/v1/messages?state=sent&limit=0", 422),
    ("/v1/messages?state=sent&limit=101", 422),
    ("/v1/messages?state=sent%00", 400),
    (f"/v1/messages?order_id={ORDER}", 200),
    (f"/v1/messages/{ORDER}", 404),
    ("/v1/messages/7", 404),
    ("/v1/messages/%00", 400),
    ("/v1/messages/preview", 422),
    ("/v1/messages/preview?intent=confirmed", 422),
    ("/v1/messages/preview?intent=confirmed&language=fr", 422),
    ("/v1/messages/preview?intent=../../etc/passwd&language=en", 422),
    ("/v1/messages/preview?intent=confirmed&language=en%0d%0aX:%20y", 400),
]


async def test_rubbish_addresses_are_refused(api: Api) -> None:
    for path, status in ADDRESSES:
        answer = await api.call("GET", path)
        assert answer.status_code == status, path
        assert status == 200 or answer.headers["content-type"] == "application/problem+json", path


async def test_nothing_can_be_written(api: Api, notifications: Notifications) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await api.call(method, "/v1/messages", content=b"{}")).status_code == 405
    assert await notifications.rows("select count(*) from messages") == [(0,)]

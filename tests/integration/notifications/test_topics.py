"""Notifications' worker on real topics: from the order to the mails, in the middle of rubbish, until the customer is erased."""

from typing import Any

from services.kit.ids import uuid7
from services.kit.ports import Outgoing
from services.kit.worker import Worker
from services.notifications.agents import STAGE
from services.notifications.sending import errands
from services.notifications.settings import Settings
from tests.integration.notifications.conftest import MailServer, Notifications
from tests.support.polling import poll_until
from tests.support.workers import example, on_topic, produce, working
from tests.unit.notifications.build import NOW

ORDER, CUSTOMER = "019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a01", "019ab2c4-7d11-7a20-8b1e-5c9e44d0aa02"
TOPICS = {
    "orders.OrderPlaced.v1": ("orders.order.v1", ORDER),
    "orders.CustomerSeen.v1": ("orders.customer.v1", CUSTOMER),
    "promises.PromiseMade.v1": ("promises.promise.v1", CUSTOMER),
    "fulfilment.HandedOver.v1": ("fulfilment.work.v1", ORDER),
    "fulfilment.ParcelDelivered.v1": ("fulfilment.work.v1", ORDER),
}


def told(prefix: str, type: str, data: dict[str, Any] | bytes | None = None, version: int = 1) -> Outgoing:
    topic, key = TOPICS[type]
    return on_topic(prefix + topic, uuid7(), type, example(type) if data is None else data, key=key, version=version)


async def test_a_customer_is_told_everything_once_amid_rubbish_and_nothing_once_erased(
    notifications: Notifications, mail_server: MailServer, settings: Settings, database_url: str, kafka: str, prefix: str
) -> None:
    values: tuple[bytes | dict[str, Any], ...] = (b"\xff{", b"[]", {"order_id": 7, "customer_id": 7})
    rubbish = [told(prefix, type, value) for type in TOPICS for value in values]
    told_by = settings.model_dump() | {"topic_prefix": prefix, "driver": "raw", "clock": f"fixed:{NOW.isoformat()}"}
    of_worker = Settings(**told_by | {"KAFKA_BOOTSTRAP_SERVERS": kafka, "DATABASE_URL": database_url})
    async with working(Worker(STAGE, errands=errands(of_worker), settings=of_worker)):
        await produce(kafka, [*rubbish, *(told(prefix, type) for type in TOPICS if "fulfilment" not in type)])
        await poll_until(lambda: len(mail_server.taken) == 1)
        await produce(kafka, [told(prefix, "fulfilment.HandedOver.v1")])
        await poll_until(lambda: len(mail_server.taken) == 2)
        await produce(kafka, [on_topic(f"{prefix}orders.customer.v1", uuid7(), "orders.CustomerSeen.v1", None, key=CUSTOMER, version=2)])
        await poll_until(lambda: _erased(notifications))
        await produce(kafka, [told(prefix, "fulfilment.ParcelDelivered.v1")])
        await poll_until(lambda: _recorded(notifications))
    assert await notifications.rows("select kind, count(*) from dead_letters group by 1") == [("unreadable", len(rubbish))]
    assert sorted(mail_server.subjects) == ["Your order VCMR-R6G1", "Your order VCMR-R6G1 is on its way"]


async def _erased(notifications: Notifications) -> bool:
    return await notifications.rows("select email from contacts_view") == [(None,)]


async def _recorded(notifications: Notifications) -> bool:
    return ("delivered", "waiting", None) in await notifications.states()

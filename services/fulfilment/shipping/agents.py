"""What shipping does without being asked: upgrades whose order does not come, delays that are foreseen, labels and manifests left open."""

from services.fulfilment.duties.reports import report_late
from services.fulfilment.shipping.handlers import on_late, on_waiting_wants
from services.fulfilment.shipping.labels.handlers import settle_all
from services.fulfilment.shipping.labels.store import Labels
from services.fulfilment.shipping.manifests.handlers import settle_manifests
from services.fulfilment.shipping.manifests.store import Manifests
from services.fulfilment.shipping.settings import account, shipping_settings
from services.fulfilment.shipping.store import ShippingStore
from services.fulfilment.work import WorkLog
from services.kit.database import Database, Transaction
from services.kit.stage import Errand, Timer


def _store(work: Transaction, log: WorkLog) -> ShippingStore:
    return ShippingStore(work, log, shipping_settings().rates)


async def refuse_waiting_wants(work: Transaction) -> int:
    """Wants that waited too long for their order to be released are answered."""
    log = WorkLog(work)
    store = _store(work, log)
    waiting = await store.waiting_wants()
    if waiting:
        await on_waiting_wants(waiting, store)
        await log.flush()
    return len(waiting)


async def foresee_delays(work: Transaction) -> int:
    """Orders whose departure can no longer be made aim at the next one, and it is told."""
    log = WorkLog(work)
    store = _store(work, log)
    late = await store.late()
    if late:
        await on_late(late, store)
        await work.write_now()  # by what they aim at now
        report_late(work, late)
        await log.flush()
    return len(late)


async def settle_labels(database: Database) -> int:
    """Labels that a request left open are asked about at their carriers."""
    settings = shipping_settings()
    return await settle_all(Labels(database, settings.rates), account, settings.shipping_retry_seconds)


async def transmit_manifests(database: Database) -> int:
    """Manifests that a request left frozen are sent again."""
    return await settle_manifests(Manifests(database), account, shipping_settings().shipping_retry_seconds)


TIMERS = (Timer("upgrade wants", refuse_waiting_wants), Timer("delays", foresee_delays))
ERRANDS = (Errand("labels", settle_labels), Errand("manifests", transmit_manifests))

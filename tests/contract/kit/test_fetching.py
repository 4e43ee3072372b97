"""A connection that was reset under a request, and fetching that ended by itself: neither may leave a worker that looks healthy and reads nothing."""

import asyncio

import uvloop
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from services.kit.faust_driver import FaustDriver
from services.kit.fetching import FetchingEnded, mend_connections
from services.kit.raw_driver import RawDriver
from tests.contract.kit.conftest import Place, Recording
from tests.support.polling import poll_until


async def _writes_to_a_connection_that_was_reset(kafka: str) -> BaseException | None:
    client = AIOKafkaClient(bootstrap_servers=kafka)
    await client.bootstrap()
    connection = await client._get_conn(next(iter(client.cluster.brokers())).nodeId)
    writer, reader = connection._writer, connection._reader
    writer.transport.abort()
    for _ in range(100):
        await asyncio.sleep(0)  # until the transport is closed
    connection._writer, connection._reader = writer, reader  # as it is before the task that reads has noticed
    try:
        await connection.send(MetadataRequest([]))
    except Exception as error:  # noqa: BLE001  # which one is the question
        return error
    finally:
        await client.close()
    return None


def test_a_request_on_a_connection_that_was_reset_is_told_as_a_broken_connection(kafka: str) -> None:
    mend_connections()
    assert isinstance(uvloop.run(_writes_to_a_connection_that_was_reset(kafka)), KafkaConnectionError)


async def test_a_driver_whose_fetching_ended_has_died(place: Place) -> None:
    loop = Recording()
    driver = await place.join(loop)
    await place.produce(1)
    await poll_until(lambda: loop.taken)
    assert isinstance(driver, FaustDriver | RawDriver)
    consumer = driver.app.consumer._thread._consumer if isinstance(driver, FaustDriver) else driver._consumer

    async def end() -> None:
        raise RuntimeError("a bug of the client")

    consumer._fetcher._fetch_task.cancel()
    consumer._fetcher._fetch_task = ended = asyncio.ensure_future(end())
    await asyncio.wait({ended})
    async with asyncio.timeout(15):
        died = await driver.died()
    assert isinstance(died, FetchingEnded)
    assert "a bug of the client" in str(died)
    consumer._fetcher._fetch_task = asyncio.ensure_future(asyncio.sleep(0))

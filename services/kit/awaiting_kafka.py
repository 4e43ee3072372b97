"""A worker waits for the broker and its topics, as `awaiting` does for the database."""

from collections.abc import Sequence

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from services.kit.awaiting import pause


async def until_topics(bootstrap: str, topics: Sequence[str]) -> None:
    """Return once the broker answers and holds these topics."""
    tries = 0
    while missing := await _missing(bootstrap, topics):
        await pause("kafka", missing, tries)
        tries += 1


async def _missing(bootstrap: str, topics: Sequence[str]) -> str:
    client = AIOKafkaClient(bootstrap_servers=bootstrap, client_id="kept-awaiting")
    try:
        await client.bootstrap()
        known = (await client.fetch_all_metadata()).topics()
    except (KafkaError, OSError) as error:
        return type(error).__name__
    finally:
        await client.close()
    return ", ".join(sorted(set(topics) - set(known)))

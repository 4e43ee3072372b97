"""Whether a process of the bed does its work, as its own address tells."""

import logging
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata

from chaos.proxy.control import Remote
from deploy.local import description, postgres
from deploy.local.stack import not_ready

_SILENT = logging.getLogger("chaos.bed.silent")
_SILENT.setLevel(logging.CRITICAL)
_PATIENCE_SECONDS = 3


def why_not_ready(path: Path, name: str) -> str | None:
    """None once the process of this name in the description is ready; until then the reason why not. By the direct addresses: links may be cut."""
    told = description.read(path)
    if not told["processes"].get(name):
        return f"{name} does not run"
    if name in told["ready"]:
        return not_ready(told["ready"][name])
    if name in told["brokers"]:
        return _why_apart(name, told["brokers"][name])
    if name == "postgres":
        return postgres.why_silent(told["database"])
    return _why_unheard(name, told)


def metadata(bootstrap: str, topic: str | None = None) -> ClusterMetadata:
    """What the brokers say of themselves and of their topics. Raises KafkaException where none answers."""
    client = AdminClient({"bootstrap.servers": bootstrap, "socket.timeout.ms": 1000 * _PATIENCE_SECONDS}, logger=_SILENT)
    return client.list_topics(topic, _PATIENCE_SECONDS) if topic else client.list_topics(timeout=_PATIENCE_SECONDS)


def _why_apart(name: str, address: str) -> str | None:
    """A broker is ready when it answers, and the cluster counts it among its members."""
    try:
        members = metadata(address).brokers
    except KafkaException as failure:
        return str(failure)
    return None if int(name.removeprefix("kafka-")) in members else f"the cluster does not count {name} yet"


def _why_unheard(name: str, told: dict[str, Any]) -> str | None:
    try:
        if name == "proxy":
            Remote(told["proxy"]["control"], []).counts()
        else:
            place = urlsplit(told["demo"][name])
            socket.create_connection((place.hostname, place.port), _PATIENCE_SECONDS).close()
    except OSError as failure:
        return str(failure)
    return None

"""The auditor knows nothing of what it judges."""

import ast
import sys
from pathlib import Path

import chaos.auditor
from chaos.auditor.register import HEARS, SERVICES, hears, topics_in
from services.fulfilment.agents import STAGE as FULFILMENT
from services.kit.promise.view import viewing_promises
from services.kit.revocations import hearing_revocations
from services.loyalty.agents import STAGE as LOYALTY
from services.notifications.agents import STAGE as NOTIFICATIONS
from services.orders.agents import STAGE as ORDERS
from services.promises.agents import STAGE as PROMISES

FOLDER = Path(chaos.auditor.__file__).parent
STAGES = {"orders": ORDERS, "fulfilment": FULFILMENT, "promises": PROMISES, "loyalty": LOYALTY, "notifications": NOTIFICATIONS}


def test_it_imports_the_standard_library_and_two_clients_only() -> None:
    modules = set()
    for file in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file} imports relatively"
                modules.add(node.module or "")
    foreign = {name for name in modules if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("chaos.auditor")}
    assert {name.split(".")[0] for name in foreign} == {"psycopg", "confluent_kafka"}


def test_who_hears_what_is_what_the_services_say() -> None:
    assert set(HEARS) == set(SERVICES) == set(STAGES)
    whole = {service: hearing_revocations(viewing_promises(stage) if stage.views_promises else stage) for service, stage in STAGES.items()}
    for service, stage in whole.items():
        assert set(stage.topics) == set(HEARS[service])
        assert {f"{topic.partition('.')[0]}.{name}.v1" for topic, names in HEARS[service].items() for name in names} == set(stage.hears)
        assert all(hears(service, type) for type in stage.hears)
        assert not hears(service, "notifications.MessageSent.v1")


def test_the_register_gives_each_topic_its_owner() -> None:
    topics = topics_in(FOLDER.parents[1] / "schemas" / "topics.toml")
    assert (topics["promises.promise.v1"].partitions, topics["promises.promise.v1"].owner) == (1, "promises")
    assert (topics["storefront.item.v1"].partitions, topics["storefront.item.v1"].compacted) == (6, True)
    assert not topics["orders.order.v1"].compacted

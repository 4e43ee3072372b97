"""Makes a shop's database large: the rows that its finished orders left, so many times over, each copy under ids of its own.

What is copied was written by the services themselves, so no row has to be imagined. What is kept for some days only (what was heard, answers that
were given) grows by the copies of those days alone. It needs the administrator's login; `bench.growth` measures what the size costs.
"""

import asyncio
from collections.abc import Mapping

import asyncpg

DAYS, INBOX_DAYS, ANSWER_DAYS = 90, 14, 7
"""How long the shop takes for its orders, and for how long a service keeps what it heard and what it answered."""

_TOLD_ID = "overlay({0}::text placing n.tail from 29)"
_ID = _TOLD_ID + "::uuid"
_IDS = r"regexp_replace({0}::text, '(-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{4}})[0-9a-f]{{8}}', '\1' || n.tail, 'g')"
_NAME = "{0} || '-' || n.copy"
_BODY = f"replace(replace({{0}}, o.order_id::text, {_TOLD_ID.format('o.order_id')}), o.external_ref || '\"', o.external_ref || '-' || n.copy || '\"')"
_OF_LEDGER = "{0} + n.copy * (select head from promises.ledgers where ledger = 'main')"

GROWING: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "orders": {
        "customers": {"external_ref": _NAME},
        "addresses": {},
        "orders": {"order_ref": _NAME, "external_ref": _NAME, "body": _BODY},
        "promises_view": {},
        "idempotency_keys": {"key": _NAME},
        "inbox": {},
    },
    "fulfilment": {
        "address_books": {},
        "work_heads": {},
        "wants": {},
        "reservations": {},
        "stock_movements": {},
        "pick_tasks": {},
        "pick_lines": {},
        "claims": {},
        "shipments": {},
        "inbox": {},
    },
    "promises": {"orders_view": {}, "promises": {"made_at_position": _OF_LEDGER, "evidence": _IDS + "::jsonb"}, "inbox": {}},
}
"""By service and table that an order meets on its way to the floor: the columns that differ in each copy, and how. Every id differs; a number that
the table draws itself is drawn anew."""

_KEPT_DAYS = {"inbox": INBOX_DAYS, "idempotency_keys": ANSWER_DAYS}
_OF_ORDERS = {"stock_movements": "o.order_id is not null"}
"""Which rows are an order's, where some are not."""

_COLUMNS = """
select column_name, data_type from information_schema.columns
where table_schema = $1 and table_name = $2 and is_identity = 'NO' order by ordinal_position"""


async def grow(database: str, orders: int) -> int:
    """Copy what the database's orders left until there are at least so many; the administrator's address. Returns how many orders there are."""
    connection = await asyncpg.connect(database)
    present = await connection.fetchval("select count(*) from orders.orders")
    await connection.close()
    copies = -(-orders // present) - 1
    if copies > 0:
        await asyncio.gather(*(_grow(database, service, copies) for service in GROWING))
    return int(present * (copies + 1))


async def _grow(database: str, service: str, copies: int) -> None:
    """One service's tables. Constraints between them are not looked at row by row, since the copies are of rows that kept them."""
    settings = {"search_path": service, "session_replication_role": "replica", "synchronous_commit": "off", "maintenance_work_mem": "256MB"}
    connection = await asyncpg.connect(database, server_settings=settings)
    for table, different in GROWING[service].items():
        await _copy_rows(connection, service, table, different, copies)
    if service == "promises":
        await connection.execute("update ledgers set head = head * ($1::bigint + 1) where ledger = 'main'", copies)
    await connection.execute("vacuum analyze")
    await connection.close()


async def _copy_rows(connection: "asyncpg.Connection[asyncpg.Record]", service: str, table: str, different: Mapping[str, str], copies: int) -> None:
    columns = {name: different.get(name, _ID if kind == "uuid" else "{0}") for name, kind in await connection.fetch(_COLUMNS, service, table)}
    values = ", ".join(how.format(f"o.{name}") for name, how in columns.items())
    which = _OF_ORDERS.get(table, "true")
    kept = copies * _KEPT_DAYS.get(table, DAYS) // DAYS
    numbers = f"(select copy, lpad(to_hex(copy), 8, '0') tail from generate_series(1, {kept}) copy)"
    await connection.execute(f"insert into {table} ({', '.join(columns)}) select {values} from {numbers} n cross join {table} o where {which}")

"""What was written stands: the service's own role can neither change it, nor make itself able to."""

import asyncpg
import pytest

from services.kit.migrations import migrate
from tests.integration.promises.ledger.conftest import Ledger
from tests.unit.promises.ledger.asking import make

TABLES = ("ledger_entries", "ledger_nodes", "ledger_refusals")


@pytest.fixture
async def written(ledger: Ledger) -> Ledger:
    """Three hundred entries, a node of the tree, and a refusal."""
    asked = [make(customer_id=make().promise_id) for _ in range(300)]
    await ledger.ask(*asked, make(asked[0].promise_id))
    assert [await ledger.count(table) for table in TABLES] == [300, 1, 1]
    return ledger


async def _columns(ledger: Ledger, table: str) -> list[str]:
    query = "select column_name from information_schema.columns where table_schema = 'promises' and table_name = $1"
    return [name for (name,) in await ledger.rows(query, table)]


async def _refused(connection: "asyncpg.Connection[asyncpg.Record]", statement: str) -> bool:
    """Whether PostgreSQL says no. What it did is undone."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.CheckViolationError):
        return True
    finally:
        await transaction.rollback()
    return False


@pytest.mark.parametrize("table", TABLES)
async def test_nothing_is_changed_on_any_column_deleted_or_emptied(written: Ledger, table: str) -> None:
    columns = await _columns(written, table)
    statements = [f"update {table} set {column} = {column}" for column in columns]  # columns of ours
    statements += [f"delete from {table}", f"truncate {table}", f"truncate {table} cascade"]  # a table of ours
    assert [statement for statement in statements if not await _refused(written.connection, statement)] == []
    assert len(columns) > 2


@pytest.mark.parametrize("table", TABLES)
async def test_the_service_has_select_and_insert_and_can_give_itself_no_more(written: Ledger, table: str) -> None:
    rights = (
        "select array_agg(privilege_type::text order by 1) from information_schema.role_table_grants where grantee = current_user and table_name = $1"
    )
    trigger = f"{table}_refuse_change"
    for statement in (
        f"grant all on {table} to current_user",
        f"alter table {table} disable trigger all",
        f"drop trigger {trigger} on {table}",
        f"alter table {table} owner to current_user",
        f"drop table {table} cascade",
        "create or replace function ledger_refuse_change() returns trigger language plpgsql as $$ begin return null; end $$",
        "drop function ledger_refuse_change() cascade",
        "set session_replication_role = replica",
        "set role kept_promises_owner",
    ):
        try:
            await written.connection.execute(statement)
        except asyncpg.PostgresError:
            continue
        # a GRANT of what one may not give only warns: what counts is what is held afterwards
        assert statement.startswith("grant"), statement
    assert await written.rows(rights, table) == [(["INSERT", "SELECT"],)]
    assert await written.rows(
        "select pg_has_role(current_user, 'kept_promises_owner', 'member'), rolcanlogin from pg_roles where rolname = 'kept_promises_owner'"
    ) == [(False, False)]


async def test_not_even_an_administrator_who_says_replica_changes_it_unseen(written: Ledger, database_url: str) -> None:
    """The triggers fire always; only dropping them, which is seen in the schema, would help."""
    administrator = await asyncpg.connect(database_url, server_settings={"search_path": "promises"})
    try:
        await administrator.execute("set session_replication_role = replica")
        assert await _refused(administrator, "update ledger_entries set line = line")
        assert await _refused(administrator, "delete from ledger_entries")
        assert await _refused(administrator, "truncate ledger_entries")
    finally:
        await administrator.close()


@pytest.mark.parametrize(
    "entry",
    [
        "302, now()",  # a gap
        "300, now()",  # one that is there
        "301, '2020-01-01'",  # earlier than the last
        "301, '2099-01-01'",  # the head does not tell of it
    ],
)
async def test_an_entry_that_does_not_follow_is_refused(written: Ledger, entry: str) -> None:
    columns = "position, recorded_at, promise_id, seq, scope, key, fingerprint, state_digest, leaf_hash, line"
    hashes = ", ".join(["sha256('x')"] * 3)
    statement = f"insert into ledger_entries ({columns}) values ({entry}, gen_random_uuid(), 1, 's', 'k', {hashes}, '')"  # ours
    with pytest.raises((asyncpg.CheckViolationError, asyncpg.UniqueViolationError)):
        await written.connection.execute(statement)


async def test_a_first_entry_is_the_first(ledger: Ledger) -> None:
    columns = "position, recorded_at, promise_id, seq, scope, key, fingerprint, state_digest, leaf_hash, line"
    values = "2, now(), gen_random_uuid(), 1, 's', 'k', sha256('x'), sha256('x'), sha256('x'), ''"
    assert await _refused(ledger.connection, f"insert into ledger_entries ({columns}) values ({values})")  # ours


async def test_migrating_again_changes_nothing(written: Ledger, database_url: str) -> None:
    migrate(database_url, ["promises"])
    (answer,) = await written.ask(make(customer_id=make().promise_id))
    assert answer.receipt and answer.receipt.position == 301

"""The ledger of promises: entries that nobody changes, the tree over them, what they add up to, and the words that can be erased.

Tables with the comment `append-only` are handed to a role that cannot log in, by whoever migrates (`services.kit.migrations`); the service may then
select and insert, and the triggers refuse everything else to everybody.
"""

from alembic import op

from services.kit.promise.agreement import BUCKET_COLUMN

revision = "0004"
down_revision = "0003"

APPEND_ONLY = {
    # `line` is the canonical JSON of the entry: what is hashed and exported. The other columns repeat of it what is looked for.
    "ledger_entries": """
        position bigint primary key check (position > 0), promise_id uuid not null, seq int not null check (seq > 0),
        recorded_at timestamptz not null, scope text not null, key text not null, fingerprint bytea not null check (length(fingerprint) = 32),
        state_digest bytea not null check (length(state_digest) = 32), leaf_hash bytea not null check (length(leaf_hash) = 32),
        line text not null, unique (promise_id, seq), unique (key, scope)""",
    # Hashes of whole subtrees of 2^8, 2^16 and 2^24 entries, each written once.
    "ledger_nodes": "level smallint, number bigint, hash bytea not null check (length(hash) = 32), primary key (level, number)",
    # A no by the state is remembered too: the same key gets the same answer.
    "ledger_refusals": """
        scope text, key text, fingerprint bytea not null check (length(fingerprint) = 32), answer text not null,
        refused_at timestamptz not null, primary key (key, scope)""",
}

STATEMENTS = (
    # How far the ledger reaches; it can be computed anew from the entries. `hashes`: the whole subtrees of the tree, 32 bytes each.
    """create table ledger_head (
        one boolean primary key default true check (one), size bigint not null, recorded_at timestamptz not null, hashes bytea not null)""",
    "insert into ledger_head values (true, 0, '1970-01-01T00:00:00Z', '')",
    # What became of each promise, small and in place; what was said stands in the line of its first entry. The digest is over both. `thing` tells
    # what looks like the same promise again; `next_at` is when an open one is to be looked at by itself.
    f"""create table ledger_promises (
        promise_id uuid primary key, {BUCKET_COLUMN}, seq int not null, position bigint not null, customer_id uuid not null, order_id uuid,
        verdict text not null,
        next_at timestamptz, standing text not null, state_digest bytea not null, thing bytea not null, made_at timestamptz not null)
        with (fillfactor = 50)""",
    "create index ledger_promises_customer on ledger_promises (customer_id)",
    "create index ledger_promises_order on ledger_promises (order_id) where order_id is not null",
    "create index ledger_promises_next on ledger_promises (next_at) where next_at is not null",
    "create index ledger_promises_thing on ledger_promises (thing)",
    "create index ledger_promises_bucket on ledger_promises (bucket)",
    # Up to where entries were acknowledged by the broker.
    "create table ledger_published (one boolean primary key default true check (one), position bigint not null)",
    "insert into ledger_published values (true, 0)",
    # What each department's view last told of itself, and which promises of it had to be put anew.
    """create table ledger_views (
        view text primary key, position bigint not null, count bigint not null, root bytea not null, agrees boolean not null,
        reported_at timestamptz not null)""",
    """create table ledger_mended (
        id bigint generated always as identity primary key, view text not null, promise_id uuid not null, position bigint not null,
        mended_at timestamptz not null)""",
    "create index ledger_mended_view on ledger_mended (view, id)",
    # The texts behind the commitments of an entry: erased with their customer.
    """create table ledger_words (
        promise_id uuid not null, seq int not null, salt bytea not null, text text not null, primary key (promise_id, seq))""",
    # A salt for each customer's fingerprints: without it nobody can guess what a command said.
    "create table ledger_customers (customer_id uuid primary key, salt bytea not null)",
    """create function ledger_refuse_change() returns trigger language plpgsql as $$
       begin raise exception '% is never changed: record another entry that names the mistaken one', tg_table_name using errcode = '42501'; end $$""",
    # The database itself refuses a gap, a clock that does not rise, and entries that the head does not tell.
    """create function ledger_insist_on_order() returns trigger language plpgsql as $$
       declare added_count bigint; low bigint; high bigint; earliest timestamptz; before timestamptz; rising boolean;
       begin
         select count(*), min(position), max(position), min(recorded_at) into added_count, low, high, earliest from added;
         if added_count = 0 then return null; end if;
         select recorded_at into before from ledger_entries where position = low - 1;
         select bool_and(rises) into rising
           from (select recorded_at > lag(recorded_at, 1, '-infinity') over (order by position) as rises from added) each;
         if (before is null) <> (low = 1) or high - low + 1 <> added_count or earliest <= before or not rising
            or high <> (select size from ledger_head) or exists (select from ledger_entries where position > high) then
           raise exception 'the entries % to % do not follow the last one', low, high using errcode = '23514';
         end if;
         return null;
       end $$""",
)


def upgrade() -> None:
    for table, columns in APPEND_ONLY.items():
        op.execute(f"create table {table} ({columns})")
    for statement in STATEMENTS:
        op.execute(statement)
    for table in APPEND_ONLY:
        trigger = f"{table}_refuse_change"
        op.execute(f"create trigger {trigger} before update or delete or truncate on {table} execute function ledger_refuse_change()")
        op.execute(f"alter table {table} enable always trigger {trigger}")
        op.execute(f"comment on table {table} is 'append-only'")
    op.execute("comment on function ledger_refuse_change() is 'append-only'")
    op.execute("comment on function ledger_insist_on_order() is 'append-only'")
    op.execute(
        """create trigger ledger_entries_order after insert on ledger_entries referencing new table as added
           for each statement execute function ledger_insist_on_order()"""
    )
    op.execute("alter table ledger_entries enable always trigger ledger_entries_order")

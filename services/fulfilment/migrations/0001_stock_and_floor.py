"""Stock and the pick floor, and the heads of every order's work."""

from alembic import op

from services.kit.migrations import create_kit_tables

revision = "0001"
down_revision = None

STATEMENTS = (
    # The version of the last event said of an order on fulfilment.work.v1; see work.py.
    "create table work_heads (order_id uuid primary key, version bigint not null)",
    # The catalogue as the storefront says it.
    """create table items (
        sku text primary key, description text not null, barcode text, weight_grams int not null check (weight_grams > 0),
        length_mm int not null check (length_mm > 0), width_mm int not null check (width_mm > 0), height_mm int not null check (height_mm > 0),
        may_fly boolean not null, withdrawn boolean not null, version bigint not null)""",
    "create index items_barcode on items (barcode) where barcode is not null",
    # One row per site and SKU: what is locked before its bins change, and the version of its last StockChanged.
    "create table shelves (site text not null, sku text not null, version bigint not null, primary key (site, sku))",
    """create table bins (
        site text not null, sku text not null, bin text not null, on_hand int not null, reserved int not null, quarantined boolean not null,
        primary key (site, sku, bin), foreign key (site, sku) references shelves, check (on_hand >= reserved), check (reserved >= 0))
        with (fillfactor = 70)""",
    # The log. on_hand and reserved are differences: their sums are what stands in bins.
    """create table stock_movements (
        id bigint generated always as identity primary key, site text not null, sku text not null, bin text not null,
        kind text not null check (kind in ('receipt', 'reserve', 'release', 'pick', 'unpick', 'adjust', 'quarantine', 'clear')),
        on_hand int not null, reserved int not null, order_id uuid, reference uuid, moved_by text, moved_at timestamptz not null)""",
    "create index stock_movements_bin on stock_movements (site, sku, bin, id)",
    """create function stock_movements_are_kept() returns trigger language plpgsql as $$
       begin raise exception 'stock_movements is append-only'; end $$""",
    """create trigger stock_movements_are_kept before update or delete or truncate on stock_movements
       for each statement execute function stock_movements_are_kept()""",
    # What each order needs. The three arrays are its lines, in order. ripe: stock came, it is to be tried again.
    """create table wants (
        order_id uuid primary key, site text not null, placed_at timestamptz not null,
        lines int[] not null, skus text[] not null, quantities int[] not null,
        state text not null check (state in ('short', 'reserved', 'picked', 'released')), ripe boolean not null check (not ripe or state = 'short'),
        heard_version bigint not null, cause_id uuid not null, correlation_id uuid not null, traceparent text not null)""",
    "create index wants_short on wants using gin (skus) where state = 'short'",
    "create index wants_ripe on wants (placed_at, order_id) where ripe",
    # Where the units of a want lie. Kept after the pick, so that it can be undone; gone when released.
    """create table reservations (
        order_id uuid not null references wants, line int not null, bin text not null, sku text not null, quantity int not null check (quantity > 0),
        primary key (order_id, line, bin))""",
    # Receipts and counts that were booked, so that a repeated one books nothing.
    """create table stock_papers (
        paper_id uuid primary key, kind text not null check (kind in ('receipt', 'count')), content jsonb not null,
        booked_by text not null, booked_at timestamptz not null)""",
    # One task per order. rank_at is the hand-over less the work that remains: its order is the order of slack, at any instant.
    # A task is held by whoever claimed it last; lease_until is machine time (the database's clock) and says from when another may take it over.
    """create table pick_tasks (
        task_id uuid primary key, order_id uuid not null unique, site text not null,
        state text not null check (state in ('ready', 'claimed', 'picked', 'packed', 'short', 'cancelled')),
        placed_at timestamptz not null, released_at timestamptz not null, hand_over_by timestamptz not null, work_seconds int not null,
        rank_at timestamptz not null check (rank_at <= hand_over_by),
        fence bigint not null, claimed_by text, claimed_at timestamptz, lease_until timestamptz, first_claimed_at timestamptz,
        picked_at timestamptz, parcel_id uuid unique, carton text, weight_grams int, packed_by text, packed_at timestamptz,
        correlation_id uuid not null, traceparent text not null,
        check ((claimed_by is null) = (lease_until is null)), check ((claimed_by is null) = (claimed_at is null)),
        check (state <> 'claimed' or claimed_by is not null), check (claimed_by is null or state in ('claimed', 'picked')),
        check ((state = 'packed') = (parcel_id is not null)))""",
    "create index pick_tasks_queue on pick_tasks (site, rank_at, placed_at, task_id) where state in ('ready', 'claimed', 'picked')",
    # One live task per picker.
    "create unique index pick_tasks_holder on pick_tasks (claimed_by) where claimed_by is not null",
    """create table pick_lines (
        task_id uuid not null references pick_tasks, position int not null, line int not null, sku text not null, bin text not null,
        quantity int not null check (quantity > 0), picked int not null, primary key (task_id, position), check (picked between 0 and quantity))""",
    # Which claim got which task under which fence: a repeated claim gets the same answer.
    """create table claims (
        claim_id uuid primary key, task_id uuid not null references pick_tasks, picker text not null, fence bigint not null,
        claimed_at timestamptz not null)""",
    # Every scan that was judged, also the refused ones: who, when, what, where, with which device.
    """create table scans (
        id bigint generated always as identity, scan_id uuid primary key, task_id uuid not null references pick_tasks, fence bigint not null,
        code text not null, quantity int not null, bin text, position int, status int not null, verdict text not null, answer jsonb not null,
        scanned_by text not null, device text, occurred_at timestamptz not null, recorded_at timestamptz not null, undone_at timestamptz,
        check (undone_at is null or verdict = 'picked'))""",
    "create index scans_task on scans (task_id, id)",
    """create table short_reports (
        report_id uuid primary key, task_id uuid not null references pick_tasks, line int not null, sku text not null,
        bin text not null, found int not null, missing int not null, reason text not null, reported_by text not null,
        reported_at timestamptz not null)""",
    # What was answered to each request to cancel.
    """create table cancel_decisions (
        order_id uuid not null, request_id uuid not null, refused_in text, decided_at timestamptz not null, primary key (order_id, request_id))""",
    # When the queue of a site was last measured (business time), and what was said of it.
    """create table queue_measures (
        site text primary key, version bigint not null, measured_at timestamptz, waiting_orders int, waiting_lines int, work_seconds int,
        pickers int)""",
)


def upgrade() -> None:
    create_kit_tables()
    for statement in STATEMENTS:
        op.execute(statement)

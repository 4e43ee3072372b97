"""Carrier services and their departures, shipments, upgrade slots, addresses, parcels, labels, load lists, manifests, what carriers say."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = (
    # The schedule as it was last said, whole; `version` is the aggregate's version on fulfilment.capacity.v1 and the ETag, `revision` names the text.
    """create table carrier_services (
        code text primary key, site text not null, service text not null check (service in ('standard', 'overnight')), withdrawn boolean not null,
        version bigint not null, revision uuid not null unique, schedule jsonb not null,
        changed_by text not null, changed_at timestamptz not null)""",
    # One row per departure on which a place was ever asked for: the lock that keeps places from being sold twice.
    """create table departures (
        carrier_service text not null references carrier_services, departs_at timestamptz not null, places int, taken int not null default 0,
        primary key (carrier_service, departs_at), check (taken >= 0), check (places is null or taken <= places))""",
    # One row per order. `promised_*` is what the customer's promise rests on; `carrier_service` and `hand_over_by` what is aimed at now.
    """create table shipments (
        order_id uuid primary key, customer_id uuid, address_id uuid, site text not null, country text not null, postcode_prefix text not null,
        lines int not null check (lines > 0), skus text[] not null, order_version bigint not null,
        state text not null check (state in ('placed', 'released', 'handed_over', 'delivered', 'cancelled')),
        short_of_stock boolean not null default false, due_at timestamptz, carrier_service text, hand_over_by timestamptz,
        promised_service text, promised_by timestamptz, told_for timestamptz, cause_id uuid not null, correlation_id uuid not null,
        traceparent text not null, check (state = 'placed' or state = 'cancelled' or address_id is not null))""",
    "create index shipments_due on shipments (hand_over_by) where state = 'released'",
    "create index shipments_planned on shipments (site, carrier_service, hand_over_by) where state = 'released'",
    # `wanted` waits for its order; a reserved or granted slot holds a place on its departure, no other state does.
    """create table upgrade_slots (
        upgrade_id uuid primary key, order_id uuid not null, carrier_service text not null, postcode_prefix text not null, country text not null,
        state text not null check (state in ('wanted', 'reserved', 'granted', 'refused', 'freed')), departs_at timestamptz, reason text,
        wanted_at timestamptz not null, cause_id uuid not null, correlation_id uuid not null, traceparent text not null,
        check (state not in ('reserved', 'granted') or departs_at is not null))""",
    "create index upgrade_slots_order on upgrade_slots (order_id)",
    "create index upgrade_slots_waiting on upgrade_slots (wanted_at) where state = 'wanted'",
    # Where parcels go; the newest version of each customer, nothing once erased.
    "create table address_books (customer_id uuid primary key, version bigint not null, addresses jsonb not null)",
    """create table manifests (
        manifest_id uuid primary key, carrier text not null, site text not null, ship_on date not null,
        state text not null check (state in ('open', 'closing', 'transmitted')), opened_at timestamptz not null, closed_by text,
        transmitted_at timestamptz, confirmation text, problem text, tried_at timestamptz not null default clock_timestamp(),
        check ((state = 'transmitted') = (transmitted_at is not null)))""",
    "create unique index manifests_open on manifests (carrier, site, ship_on) where state = 'open'",
    """create table load_lists (
        load_list_id uuid primary key, site text not null, carrier_service text not null references carrier_services,
        departs_at timestamptz not null, state text not null check (state in ('open', 'closed', 'handed_over')), opened_by text not null,
        opened_at timestamptz not null, closed_at timestamptz, handed_over_at timestamptz)""",
    "create index load_lists_departure on load_lists (site, carrier_service, departs_at)",
    """create table parcels (
        parcel_id uuid primary key, order_id uuid not null, site text not null, carton text not null,
        weight_grams int not null check (weight_grams > 0),
        state text not null check (state in ('packed', 'staged', 'loaded', 'handed_over', 'delivered')), staging_lane text,
        load_list_id uuid references load_lists, manifest_id uuid references manifests, packed_at timestamptz not null,
        handed_over_at timestamptz, delivered_at timestamptz,
        tracking text not null default 'none' check (tracking in ('none', 'accepted', 'in_transit', 'out_for_delivery', 'delivered')),
        tracked_at timestamptz, exception_at timestamptz,
        check (state <> 'loaded' or load_list_id is not null), check (state not in ('handed_over', 'delivered') or manifest_id is not null))""",
    "create index parcels_order on parcels (order_id)",
    "create index parcels_load_list on parcels (load_list_id)",
    "create index parcels_manifest on parcels (manifest_id)",
    # One live label per parcel. `reference` is the carrier's idempotency key: the parcel's id, numbered once a label was voided.
    """create table labels (
        reference text primary key, parcel_id uuid not null references parcels on delete cascade,
        carrier text not null, carrier_service text not null,
        state text not null check (state in ('wanted', 'bought', 'refused', 'voiding', 'void')), amount_minor bigint, currency text,
        tracking_number text, barcode text, zpl text, problem text, wanted_by text not null, wanted_at timestamptz not null,
        tried_at timestamptz not null default clock_timestamp(), cause_id uuid not null, correlation_id uuid not null, traceparent text not null,
        check (state not in ('bought', 'voiding', 'void') or tracking_number is not null))""",
    "create unique index labels_live on labels (parcel_id) where state in ('wanted', 'bought', 'voiding')",
    "create unique index labels_tracking on labels (carrier, tracking_number)",
    "create index labels_barcode on labels (barcode)",
    "create index labels_unsettled on labels (tried_at) where state in ('wanted', 'voiding')",
    # Every scan at a trailer, once per scan id, with the answer it got.
    """create table load_scans (
        scan_id uuid primary key, load_list_id uuid not null references load_lists, parcel_id uuid not null, kind text not null
        check (kind in ('load', 'unload')), scanned_by text not null, scanned_at timestamptz not null)""",
    # What carriers said, as normalised; `set_aside` says why it changed nothing.
    """create table carrier_events (
        carrier text not null, event_id text not null, tracking_number text not null, kind text not null, occurred_at timestamptz not null,
        received_at timestamptz not null, parcel_id uuid, set_aside text, primary key (carrier, event_id))""",
    "create index carrier_events_aside on carrier_events (parcel_id, received_at) where set_aside is not null",
    "create table webhook_messages (carrier text not null, message_id text not null, day date not null, primary key (carrier, message_id))",
    "create index webhook_messages_day on webhook_messages (day)",
)


def upgrade() -> None:
    """Make the tables of shipping."""
    for statement in TABLES:
        op.execute(statement)

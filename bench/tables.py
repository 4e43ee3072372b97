"""The table that the stage bench keeps its state in, beside the kit's own."""

TABLE = "create table states (id uuid primary key, customer_id text not null, total_minor int not null, lines jsonb not null)"

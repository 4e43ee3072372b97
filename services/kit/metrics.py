"""Every metric of every process, in one list: its name, kind, labels and meaning. A metric that does not stand here does not exist."""

from prometheus_client import Counter, Gauge, Histogram

_FAST = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

HTTP_REQUESTS = Counter("kept_http_requests_total", "Requests answered, by route and status.", ("service", "method", "route", "status"))
HTTP_SECONDS = Histogram("kept_http_seconds", "From a request's first byte to its answer's.", ("service", "route"), buckets=_FAST)
HTTP_IN_HAND = Gauge("kept_http_in_hand", "Requests that are worked on.", ("service",))
HTTP_REFUSED = Counter(
    "kept_http_refused_total", "Requests refused unread or given up: address, caller (429), busy (503), late (504).", ("service", "why")
)
HTTP_WAITERS = Gauge("kept_http_waiters", "Requests that wait for a state.", ("service",))

EVENTS = Counter("kept_events_total", "Events read, by what became of them: applied, duplicate, unheard, dead.", ("service", "outcome"))
BATCH_SECONDS = Histogram("kept_batch_seconds", "From a batch's first event read to its commit.", ("service",), buckets=_FAST)
BATCH_EVENTS = Histogram("kept_batch_events", "Events in one transaction.", ("service",), buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500))
EVENT_AGE_SECONDS = Gauge("kept_event_age_seconds", "Age of the newest event applied, since its producer wrote it.", ("service",))
LAG_EVENTS = Gauge("kept_lag_events", "Messages in this process's partitions that are not dealt with; NaN while Kafka does not say.", ("service",))
RETRIES = Counter("kept_retries_total", "Batches tried again after a transient failure.", ("service", "reason"))
DEAD_LETTERS = Counter("kept_dead_letters_total", "Events set aside: unreadable, refused, failed.", ("service", "kind"))

RELAYED = Counter("kept_relayed_total", "Outbox rows acknowledged by the broker.", ("service",))
RELAY_FAILURES = Counter("kept_relay_failures_total", "Times the relay had to begin again.", ("service", "reason"))
OUTBOX_ROWS = Gauge("kept_outbox_rows", "Rows that wait in the outbox, where this process relays.", ("service",))
OUTBOX_AGE_SECONDS = Gauge("kept_outbox_age_seconds", "Age of the oldest outbox row, where this process relays.", ("service",))

TIMER_FIRED = Counter("kept_timer_fired_total", "Things that fell due and were handled.", ("service", "timer"))
ERRANDS_DONE = Counter("kept_errands_done_total", "Side effects done outside transactions.", ("service", "errand"))
ERRAND_FAILURES = Counter("kept_errand_failures_total", "Runs of an errand that failed and will be tried again.", ("service", "errand"))

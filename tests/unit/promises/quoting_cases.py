"""Schedules, queues and orders to quote for: written by hand, and drawn."""

from datetime import UTC, date, datetime, time, timedelta

from hypothesis import strategies as st

from services.promises.domain import Departure, Destination, Lane, Run, Service
from services.promises.quoting.domain import Ask, Basis, Line, Policy, Queue

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo", "UTC")
EVERY_DAY = frozenset(range(1, 8))
POLICY = Policy(release_seconds=1, pick_order_seconds=60, pick_line_seconds=20, pack_seconds=120, horizon_days=60)
SUNDAY = datetime(2026, 11, 22, 4, 58, tzinfo=UTC)
"""Saturday 23:58 in New York."""


def ask(service: Service = Service.STANDARD, chosen_on: date | None = None, site: str | None = "SDF1", lines: int = 1) -> Ask:
    return Ask("web", site, Destination("US", "40202"), tuple(Line(f"sku{n}", 1) for n in range(lines)), service, chosen_on)


def ground(*departures: Departure, **changes: object) -> Run:
    lane = Lane("US", "402", 4, time(20), frozenset({1, 2, 3, 4, 5, 6}), "America/New_York")
    leaves = departures or tuple(Departure(day, time(18), None) for day in range(1, 8))
    return Run(**{"carrier_service": "ground", "site": "SDF1", "service": Service.STANDARD, "zone": "America/New_York", "departures": leaves,
                  "closed_on": frozenset(), "lane": lane, "version": 1, **changes})  # type: ignore[arg-type]  # fmt: skip


def air(*departures: Departure, **changes: object) -> Run:
    lane = Lane("US", "402", 0, time(8), EVERY_DAY, "America/New_York")
    leaves = departures or tuple(Departure(day, time(1, 15), 120) for day in range(1, 8))
    return ground(*leaves, **{"carrier_service": "air", "service": Service.OVERNIGHT, "lane": lane, **changes})


def basis(*runs: Run, now: datetime = SUNDAY, queue: Queue | None = None, policy: Policy = POLICY) -> Basis:
    return Basis(runs, {queue.site: queue} if queue else {}, policy, now)


_departures = st.builds(Departure, st.integers(1, 7), st.times().map(lambda at: at.replace(second=0, microsecond=0)), st.sampled_from([None, 1, 120]))
_lanes = st.builds(
    Lane,
    country=st.just("US"),
    postcode_prefix=st.just("402"),
    transit_days=st.integers(0, 12),
    deliver_by=st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    delivers_on=st.frozensets(st.integers(1, 7), min_size=1),
    destination_zone=st.sampled_from(ZONES),
)
nows = st.one_of(
    st.datetimes(datetime(2011, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001  the zone follows
    st.sampled_from(["2011-12-29T09:00", "2018-02-17T20:00", "2018-11-03T20:00", "2026-03-08T03:00", "2026-10-25T00:00", "2026-10-03T14:00"]).flatmap(
        lambda start: st.timedeltas(timedelta(0), timedelta(days=1)).map(lambda shift: datetime.fromisoformat(start) + shift)
    ),
).map(lambda naive: naive.replace(tzinfo=UTC))


@st.composite
def bases(draw: st.DrawFn) -> tuple[Ask, Basis]:
    """Any ask with at least one run that has a departure for it; closed days lie near, where they matter."""
    now = draw(nows)
    near = st.frozensets(st.integers(-1, 15).map(lambda days: now.date() + timedelta(days=days)), max_size=6)
    service = draw(st.sampled_from((Service.STANDARD, Service.OVERNIGHT)))
    one_run = st.builds(
        Run,
        carrier_service=st.sampled_from(["ground", "air", "post"]),
        site=st.just("SDF1"),
        service=st.just(service),
        zone=st.sampled_from(ZONES),
        departures=st.lists(_departures, min_size=1, max_size=5).map(tuple),
        closed_on=near,
        lane=_lanes,
        version=st.just(1),
    )
    runs = draw(st.lists(one_run, min_size=1, max_size=3))
    queue = Queue("SDF1", draw(st.integers(0, 200_000)), draw(st.integers(0, 9)), now)
    policy = Policy(draw(st.integers(0, 600)), draw(st.integers(0, 600)), draw(st.integers(0, 60)), draw(st.integers(0, 600)), 60)
    return ask(service, lines=draw(st.integers(1, 40))), Basis(tuple(runs), {"SDF1": queue}, policy, now)

"""The demo carrier keeps its terms, and its books what it sold."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.carrier.accounts import accounts
from demo.carrier.books import Books, Differs, Refused
from demo.carrier.rounds import Terms, rounds

TAKEN = datetime(2011, 11, 22, 22, 57, tzinfo=UTC)
THANKSGIVING = date(2011, 11, 24)
OVERNIGHT = Terms(1, time(8), [1, 2, 3, 4, 5, 6, 7], "America/New_York")
GROUND = Terms(2, time(20), [1, 2, 3, 4, 5, 6], "America/Chicago")
REQUEST: dict[str, Any] = {
    "carrier_service": "ground-standard", "terms": {"label": {"amount_minor": 412, "currency": "GBP"}},
    "to": {"name": "^XA_~\\Bobby", "line1": "1", "line2": None, "city": "L", "region": None, "postcode": "40202", "country": "US"},
}  # fmt: skip


@pytest.mark.parametrize("door", [f"{n} Analytical Way 40202" for n in range(40)])
@pytest.mark.parametrize(
    ("terms", "due"),
    [(OVERNIGHT, datetime(2011, 11, 23, 13, tzinfo=UTC)), (GROUND, datetime(2011, 11, 26, 2, tzinfo=UTC))],
)
def test_a_parcel_is_at_the_door_in_time_after_scans_in_order(door: str, terms: Terms, due: datetime) -> None:
    scans = list(rounds(door, terms, [THANKSGIVING], date(2011, 11, 22), TAKEN))
    assert [scan.kind for scan in scans] == ["accepted", "in_transit", "out_for_delivery", "delivered"]
    ats = [scan.at for scan in scans]
    assert ats == sorted(ats)
    assert ats[0] > TAKEN
    assert due - timedelta(hours=4) <= ats[-1] <= due


def test_a_label_is_sold_once_per_reference_and_no_other_parcel_gets_it(tmp_path: Path) -> None:
    books = Books(tmp_path / "books.sqlite")
    first = books.buy("ground", "r-1", REQUEST)
    assert books.buy("ground", "r-1", REQUEST) == first == books.find("ground", "r-1")
    assert books.buy("airline", "r-1", REQUEST)["tracking_number"] != first["tracking_number"]
    with pytest.raises(Differs):
        books.buy("ground", "r-1", REQUEST | {"carrier_service": "other"})
    books.close()
    again = Books(tmp_path / "books.sqlite")
    assert again.find("ground", "r-1") == first
    again.close()


def test_a_name_on_a_label_is_text_and_no_printer_command(tmp_path: Path) -> None:
    books = Books(tmp_path / "books.sqlite")
    zpl = books.buy("ground", "r-1", REQUEST)["zpl"]
    assert "_5EXA_5F_7E_5CBobby" in zpl
    assert zpl.count("^XA") == 1
    books.close()


def test_a_manifest_is_taken_once_and_never_amended(tmp_path: Path) -> None:
    books = Books(tmp_path / "books.sqlite")
    numbers = [books.buy("ground", f"r-{n}", REQUEST)["tracking_number"] for n in range(3)]
    told = {"tracking_numbers": numbers[:1]}
    scans = [(numbers[0], "delivered", TAKEN)]
    confirmation = books.manifest("ground", "m-1", told, TAKEN, scans)
    assert books.manifest("ground", "m-1", told, TAKEN, scans) == confirmation
    with pytest.raises(Differs):
        books.manifest("ground", "m-1", {"tracking_numbers": numbers}, TAKEN, [])
    for wrong in ([numbers[0]], ["nobody"]):
        with pytest.raises(Refused):
            books.manifest("ground", "m-2", {"tracking_numbers": [numbers[1], *wrong]}, TAKEN, [])
    with pytest.raises(Refused):
        books.void("ground", "r-0")
    assert books.void("ground", "r-2")
    assert not books.void("ground", "nobody")
    assert books.find("ground", "r-2") is None
    with pytest.raises(Refused):
        books.buy("ground", "r-2", REQUEST)
    assert books.counts() == {"labels": 2, "void": 1, "manifests": 1, "manifested": 1, "delivered": 0, "untold": 1}
    books.close()


def test_accounts_are_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "carriers.json"
    assert accounts(path) == accounts(path)
    assert path.stat().st_mode & 0o077 == 0

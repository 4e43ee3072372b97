"""Whether the first contact was enough, and how often what was said to be resolved came back."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.promises.measures.contacts import WITHIN, Contact, cases
from services.promises.measures.ratio import Ratio, ratio
from services.promises.measures.spans import utc


@dataclass(frozen=True, slots=True)
class FirstContact:
    """`resolved`: cases that their first contact resolved and that did not come back, of all cases; `reopened`: contacts that were followed by
    another, of those said to be resolved."""

    resolved: Ratio
    reopened: Ratio


def first_contact(contacts: Iterable[Contact], at: datetime, within: timedelta = WITHIN) -> FirstContact:
    """As it stands at this instant. What may still come back, its days not being over, does not count yet, however it looks so far."""
    over_before = utc(at) - within
    found = cases(contacts, within)
    firsts = (case[0].resolved and len(case) == 1 for case in found if utc(case[0].at) < over_before)
    back = (number + 1 < len(case) for case in found for number, each in enumerate(case) if each.resolved and utc(each.at) < over_before)
    return FirstContact(ratio(firsts), ratio(back))

"""How much of what customers turn to us for is our own doing, and which promises brought it about."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from services.kit.promise.state import Kind, Promise
from services.promises.measures.contacts import Contact, Demand
from services.promises.measures.ratio import Ratio


@dataclass(frozen=True, slots=True)
class FailureDemand:
    """`share`: failure contacts of all; `linked`: those with a promise that caused them, of the failure contacts; contacts by promise and by its
    kind, the most first."""

    share: Ratio
    linked: Ratio
    by_promise: Mapping[UUID, int]
    by_kind: Mapping[Kind, int]


def failure_demand(contacts: Iterable[Contact], promises: Iterable[Promise]) -> FailureDemand:
    """Over all these contacts. A link to a promise that is not among `promises` is no link."""
    kinds = {promise.promise_id: promise.said.kind for promise in promises}
    tagged = list(contacts)
    failures = [contact for contact in tagged if contact.demand is Demand.FAILURE]
    causes = [contact.caused_by for contact in failures if contact.caused_by in kinds]
    by_promise = Counter(cause for cause in causes if cause is not None)
    by_kind = Counter(kinds[cause] for cause in by_promise.elements())
    return FailureDemand(
        Ratio(len(failures), len(tagged)), Ratio(len(causes), len(failures)), dict(by_promise.most_common()), dict(by_kind.most_common())
    )

"""What departments report of their duties, many at once: each under an id of its own, which counts once, and with an answer of its own."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Self
from uuid import UUID

from fastapi import Request
from pydantic import Field, model_validator
from starlette.responses import Response

from services.kit.http import Caller, Instant, Parsed, Problem, Quantity, Routes, ShortText, Strict, operation
from services.kit.promise.duties import What
from services.kit.promise.line import Actor
from services.kit.promise.state import Department, Evidenced, Risk
from services.promises.ledger.asking import By, asking
from services.promises.ledger.batch import Asked
from services.promises.ledger.bodies import EvidenceType
from services.promises.ledger.commands_api import desk_of
from services.promises.ledger.domain.commands import Acknowledge, Command, PutAtRisk, ShowEvidence, Tell

_SPEAKS_FOR: Mapping[str, frozenset[Department]] = MappingProxyType(
    {
        "fulfilment": frozenset({Department.WAREHOUSE, Department.DELIVERY}),
        "orders": frozenset({Department.PAYMENTS}),
        "notifications": frozenset({Department.MESSAGES}),
        "loyalty": frozenset({Department.LOYALTY}),
    }
)
"""Which departments each of our services is: none reports for another. A shop's own warehouse or payment system may be any."""

_SHOWS = frozenset({"orders"})
"""Which of our services show customers what was promised, beside messages: of any promise they report `told`, and nothing else, for it."""

_NEEDS: Mapping[What, tuple[str, ...]] = MappingProxyType(
    {What.EVIDENCE: ("type", "id", "at"), What.TOLD: ("channel",), What.AT_RISK: ("reason",), What.OUT_OF_RISK: ("reason",)}
)

router = Routes()


class DutyReportBody(Strict):
    """One fact. Evidence says its type, the source's own `id`, how much and when; `told` by which channel; a risk why."""

    report_id: UUID
    promise_id: UUID
    department: Department
    what: What
    type: EvidenceType | None = None
    id: ShortText | None = None
    quantity: Quantity = 1
    at: Instant | None = None
    channel: ShortText | None = None
    reason: Risk | None = None

    @model_validator(mode="after")
    def _says_what_it_needs(self) -> Self:
        missing = [name for name in _NEEDS.get(self.what, ()) if getattr(self, name) is None]
        if missing:
            raise ValueError(f"a report of this kind also says {' and '.join(missing)}")
        return self

    def command(self) -> Command:
        """What it asks of the ledger."""
        match self.what:
            case What.RECEIVED | What.SEEN:
                return Acknowledge(self.department, self.what is What.SEEN)
            case What.TOLD:
                return Tell(str(self.channel))
            case What.AT_RISK | What.OUT_OF_RISK:
                return PutAtRisk(Risk(str(self.reason)), self.what is What.AT_RISK)
            case What.EVIDENCE:
                assert self.at is not None, "evidence says when"
                return ShowEvidence(Evidenced(str(self.type), str(self.id), self.quantity, self.at))


class DutyReportsBody(Strict):
    reports: Annotated[list[DutyReportBody], Field(min_length=1, max_length=100)]


@router.post(
    "/v1/promises:report",
    **operation(access={"service": "all"}, body=DutyReportsBody, answers={200: "For each, in order: its status, and its receipt or its problem."}),
)
async def post_reports(request: Request, body: Annotated[DutyReportsBody, Parsed(DutyReportsBody)], caller: Caller) -> Response:
    others = sorted({each.department for each in body.reports if not _may_report(caller.subject, each)})
    if others:
        raise Problem(403, "other-department", f"{caller.subject} does not act for {', '.join(others)}: each department reports for itself.")
    desk = desk_of(request)
    asked = [_asked(each, caller.subject, desk.by(caller)) for each in body.reports]
    return await desk.answer_all(asked, request.state.request_id)


def _may_report(service: str, report: DutyReportBody) -> bool:
    tells = report.what is What.TOLD and report.department is Department.MESSAGES
    return report.department in _SPEAKS_FOR.get(service, frozenset(Department)) or (tells and service in _SHOWS)


def _asked(report: DutyReportBody, service: str, by: By) -> Asked:
    acting = By(Actor(service, report.department, "worker"), by.system, by.now, by.tariffs)
    return asking(report.promise_id, report.command(), acting, "report", str(report.report_id), report.model_dump(mode="json"))

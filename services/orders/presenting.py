"""What the customer's page says about an order: the promise in the ledger's words, and around it the product's own, in the customer's language
and zone. Pure: rows and an instant go in, what the template shows comes out. It knows nothing of carriers, so it cannot tell."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from babel.numbers import format_decimal

from services.orders.domain import WAY, State, Status
from services.orders.promised import Card, agreed_day, cards
from services.orders.queries import Found, Held
from services.orders.speaking import LANGUAGES, Speaker
from services.orders.tables import AmendmentRow, OrderRow, PromiseRow
from services.orders.views import body_of


def present(found: Found, held: Held, now: datetime, change: AmendmentRow | None = None) -> dict[str, Any]:
    """Everything the template shows. `held` are the ledger's promises, as orders' own view has them; `change` is the one that was asked for last."""
    order = found.order
    say = Speaker(order.language if order.language in LANGUAGES else "en", order.zone)
    body = body_of(order.amended or order.body)
    opened, settled = cards(held.rows, say, now)
    return {
        "language": say.language,
        "words": say.words,
        "order": order,
        "hero": hero(found, say, agreed_day(held.rows, say, now)),
        "notice": cancel_notice(order, say) or change_notice(order, change, say),
        "steps": steps(found, say),
        "promises": [*opened, *_dates(found, say), *settled],
        "entry": say.words["entry"].format(position=format_decimal(held.position, locale=say.language)) if opened or settled else "",
        "lines": [_line(line, order.currency, say) for line in body.lines],
        "charges": [{**charge, "amount": say.money(charge["amount_minor"], order.currency)} for charge in body.charges],
        "total": say.money(order.total_minor, order.currency),
        "can_cancel": order.state in (State.VALIDATING, State.RELEASED) and not _cancel_pending(order),
        "as_of": say.words["as_of"].format(time=say.time(now), zone=say.place),
        "zone_note": say.words["zone"].format(zone=say.place),
    }


def hero(found: Found, say: Speaker, agreed: Card | None = None) -> dict[str, Any]:
    """The one thing the page says first. Without a date that was computed it is the day that was `agreed`."""
    order, words = found.order, say.words["hero"]
    if order.state == State.CANCELLED and order.cancelled_at:
        return _heading("void", words["cancelled_pill"], words["cancelled"], words["cancelled_text"].format(time=say.time(order.cancelled_at)))
    if not found.promises:
        return _agreed(agreed) if agreed and agreed["customer_text"] else _without_promise(order, say)
    current = _current(found.promises)
    earlier = [promise for promise in found.promises if promise is not current and promise.verdict != "released"]  # the customer's own change
    shown = {"promise": current.customer_text, "language": current.language, "before": [], "before_state": "", "before_title": "", "before_text": ""}
    if order.delivered_at:
        late = current.verdict == "broken" or any(promise.verdict == "broken" for promise in earlier)
        kind = "late" if late else "kept"
        state = "broken" if late else "kept"
        return shown | {"state": state, "pill": words[f"{kind}_pill"], "text": words[f"{kind}_text"].format(time=say.time(order.delivered_at))}
    if current.verdict == "broken":
        return shown | {"state": "broken", "pill": words["broken_pill"], "text": words["broken_text"]}
    if order.declined_sentence and order.answer_by:
        answer = {"before": [{"customer_text": order.declined_sentence, "language": order.language}], "before_state": "risk"}
        told = {"before_title": words["answer_title"], "before_text": words["answered_text"].format(time=say.time(order.answer_by))}
        return shown | answer | told | {"state": "risk", "pill": words["late_ahead_pill"], "text": ""}
    if not earlier:
        return shown | {"state": "open", "pill": words["open_pill"], "text": ""}
    missed = [promise for promise in earlier if promise.verdict == "broken"]
    before = {"before": missed or earlier, "before_state": "broken" if missed else "risk"}
    if missed:
        return shown | before | {"state": "open", "pill": words["delayed_pill"], "text": "", "before_title": words["missed_before"]}
    told = {"text": words["delayed_text"], "before_title": words["said_before"], "before_text": words["still_stands"]}
    return shown | before | told | {"state": "risk", "pill": words["delayed_pill"]}


def _agreed(day: Card) -> dict[str, Any]:
    said = {"promise": day["customer_text"], "language": day["language"], "text": day["facts"][0]}
    return _heading(day["verdict"], day["word"], "", "") | said


def _without_promise(order: OrderRow, say: Speaker) -> dict[str, Any]:
    words = say.words["hero"]
    if order.state == State.DELIVERED and order.delivered_at:
        return _heading("kept", words["kept_pill"], words["delivered"], words["kept_text"].format(time=say.time(order.delivered_at)))
    if order.declined_sentence and order.answer_by:
        told = _heading("risk", words["answered_pill"], "", words["answered_text"].format(time=say.time(order.answer_by)))
        return told | {"promise": order.declined_sentence, "language": order.language}
    return _heading("part", words["validating_pill"], words["validating"], words["validating_text"])


def _heading(state: str, pill: str, heading: str, text: str) -> dict[str, Any]:
    return {"state": state, "pill": pill, "heading": heading, "promise": "", "language": "", "text": text, "before": []}


def _current(promises: Sequence[PromiseRow]) -> PromiseRow:
    """The promise that no other one follows; the latest, should there be several."""
    followed = {promise.replaces for promise in promises}
    return [promise for promise in promises if promise.promise_id not in followed][-1]


def cancel_notice(order: OrderRow, say: Speaker) -> dict[str, str] | None:
    """Where a cancel stands, when the customer asked for one."""
    words = say.words["cancel"]
    if _cancel_pending(order) and order.cancel_requested_at:
        told = words["requested"].format(time=say.time(order.cancel_requested_at))
        return {"state": "part", "title": words["requested_title"], "text": told}
    return too_late(order, say) if order.cancel_refusal and order.state != State.CANCELLED else None


def change_notice(order: OrderRow, change: AmendmentRow | None, say: Speaker) -> dict[str, str] | None:
    """Where the change stands that was asked for last, until the order has ended. Why it was undone is said in the words of whoever said no."""
    if change is None or order.state in (State.DELIVERED, State.CANCELLED):
        return None
    words = say.words["amendment"]
    if change.decided_at is None:
        return {"state": "part", "title": words["pending_title"], "text": words["pending"].format(time=say.time(change.requested_at))}
    if change.status == Status.AGREED:
        return {"state": "kept", "title": words["agreed_title"], "text": words["agreed"].format(time=say.time(change.decided_at))}
    return {"state": "broken", "title": words["undone_title"], "text": change.sentence or ""}


def too_late(order: OrderRow, say: Speaker) -> dict[str, str]:
    """Why a cancel cannot work any more, and what can be done instead."""
    words = say.words["cancel"]
    return {"state": "broken", "title": words["too_late_title"], "text": words.get(order.state, words["picking"])}


def _cancel_pending(order: OrderRow) -> bool:
    return order.cancel_request_id is not None and order.cancel_refusal is None and order.state != State.CANCELLED


def steps(found: Found, say: Speaker) -> list[dict[str, str]]:
    """The way of the order: what is done, where it stands, what is to come. Nothing for a cancelled order."""
    order, words = found.order, say.words["steps"]
    if order.state == State.CANCELLED:
        return []
    shown = [{"state": "kept", "title": words["placed"], "text": say.time(order.placed_at)}]
    stands = WAY.index(State(order.state))
    for place, state in enumerate(WAY[1:], 1):
        at = getattr(order, f"{state.value}_at")
        if place <= stands:
            shown.append({"state": "kept", "title": words[state.value], "text": say.time(at) if at else ""})
        elif place == stands + 1:
            now = f"{words['now']} {say.words['now'][order.state]}"
            shown.append({"state": "open", "title": now, "text": _reason(found, say) if order.state == State.VALIDATING else ""})
        if (place == stands + 1 and state is State.DELIVERED) or place > stands + 1:
            shown.append({"state": "", "title": words[state.value], "text": ""})
    return shown


def _reason(found: Found, say: Speaker) -> str:
    """Why an order is still being checked, as far as it is the customer's business."""
    words, reasons = say.words["steps"], {hold.reason for hold in found.holds}
    for reason in ("stock", "items"):
        if reason in reasons:
            return str(words[f"waiting_{reason}"])
    if reasons:
        return str(words["waiting_check"])
    return str(words["waiting"] if "payment_secured" in found.order.checks else words["waiting_payment"])


def _dates(found: Found, say: Speaker) -> list[dict[str, Any]]:
    """All dates that were promised, the newest first; nothing when the first words of the page have said it all."""
    if len(found.promises) < 2 and all(promise.verdict == "open" for promise in found.promises):
        return []
    due = say.words["due"]
    return [
        {
            "verdict": promise.verdict,
            "word": say.words["verdict"][promise.verdict],
            "customer_text": promise.customer_text,
            "language": promise.language,
            "facts": [due.format(time=Speaker(say.language, promise.zone).time(promise.due_at)), *_stays(promise, say)],
            "good": None,
        }
        for promise in reversed(found.promises)
    ]


def _stays(promise: PromiseRow, say: Speaker) -> list[str]:
    return [say.words["stays"]] if promise.verdict == "broken" else []


def _line(line: Mapping[str, Any], currency: str, say: Speaker) -> dict[str, Any]:
    each = line["unit_price_minor"]
    return {
        "description": line["description"] or line["sku"],
        "quantity": line["quantity"],
        "each": say.money(each, currency),
        "amount": say.money(each * line["quantity"], currency),
    }

"""How a judged submission becomes an order, and what its buyer adds to a customer. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from services.kit.values import Refusal, short_reference
from services.orders.domain import Check, Hold, Order, State
from services.orders.events import Address, CustomerSeen, Line, OrderPlaced
from services.orders.validation import Submission

MOST_ADDRESSES = 100


@dataclass(frozen=True, slots=True)
class Customer:
    """Who orders, as now known. A guest is one per order. `addresses` is in order of first use."""

    customer_id: UUID
    version: int
    channel: str
    external_ref: str | None
    guest: bool
    name: str
    email: str
    phone: str | None
    language: str
    zone: str
    addresses: tuple[Address, ...]


class ReferenceReused(Refusal):
    """The channel already used this reference for another body; `fields` names what differs."""

    slug = "reference-reused"

    def __init__(self, fields: Sequence[str]) -> None:
        named = ", ".join(fields)
        super().__init__(
            f"This reference already stands for an order that differs in {named}: send a new order under a new reference.", fields=fields
        )


class OrderIdTaken(Refusal):
    slug = "order-id-taken"


def accept(submission: Submission, *, order_ref: str, site: str, version: int, hold: Hold | None) -> Order:
    """A new order. With a hold (its items are not listed yet) nobody else hears of it until it is announced."""
    secured = submission.payment.state in ("authorised", "captured")
    return Order(
        order_id=submission.order_id,
        order_ref=order_ref,
        channel=submission.channel,
        external_ref=submission.external_ref,
        customer_id=submission.buyer.customer_id,
        address_id=submission.ship_to.address_id,
        guest=submission.buyer.external_ref is None,
        site=site,
        placed_at=submission.placed_at,
        currency=submission.currency,
        goods_minor=submission.goods_minor,
        charges_minor=submission.charges_minor,
        total_minor=submission.total_minor,
        service=submission.service,
        quote_id=submission.quote_id,
        chosen_on=submission.chosen_on,
        signature_required=submission.signature_required,
        po_box=submission.ship_to.po_box,
        country=submission.ship_to.country,
        postcode_prefix=postcode_prefix(submission.ship_to.country, submission.ship_to.postcode),
        zone=submission.buyer.zone,
        language=submission.buyer.language,
        payment_state=submission.payment.state,
        payment_reference=submission.payment.reference,
        state=State.VALIDATING,
        version=version,
        said_version=version,
        checks=frozenset({Check.PAYMENT_SECURED} if secured else ()),
        paid_minor=submission.payment.amount_minor if secured else 0,
        announced=hold is None,
        holds=(hold,) if hold else (),
    )


def placed(order: Order, lines: tuple[Line, ...]) -> OrderPlaced:
    """What the other services hear of a new order."""
    return OrderPlaced(
        order_id=order.order_id,
        order_ref=order.order_ref,
        channel=order.channel,
        external_ref=order.external_ref,
        customer_id=order.customer_id,
        address_id=order.address_id,
        guest=order.guest,
        site=order.site,
        placed_at=order.placed_at,
        currency=order.currency,
        goods_minor=order.goods_minor,
        charges_minor=order.charges_minor,
        total_minor=order.total_minor,
        lines=lines,
        service=order.service,
        quote_id=order.quote_id,
        chosen_on=order.chosen_on,
        signature_required=order.signature_required,
        po_box=order.po_box,
        destination=order.destination,
        language=order.language,
    )


def postcode_prefix(country: str, postcode: str) -> str:
    """The part of a postcode that says which region, and no more: planning needs it, and nobody is found by it."""
    packed = postcode.replace(" ", "").upper()
    if country == "GB" and len(packed) > 3:
        return packed[:-3]
    return packed[:3] or "-"


def reference_candidates(order_id: UUID) -> Iterator[str]:
    """The references an order may get, the likeliest first: its id's own, then its neighbours'."""
    return (short_reference(UUID(int=(order_id.int + step) % (1 << 128))) for step in range(4))


def meet(customer: Customer | None, submission: Submission) -> Customer:
    """The customer with what this order says of them. Equal to `customer`, version and all, when it says nothing new."""
    buyer, address = submission.buyer, submission.ship_to
    known = customer.addresses if customer else ()
    addresses = known if address in known[-MOST_ADDRESSES:] else (*(other for other in known if other != address), address)
    met = Customer(
        customer_id=buyer.customer_id,
        version=customer.version if customer else 0,
        channel=submission.channel,
        external_ref=buyer.external_ref,
        guest=buyer.external_ref is None,
        name=buyer.name,
        email=buyer.email,
        phone=buyer.phone,
        language=buyer.language,
        zone=buyer.zone,
        addresses=addresses,
    )
    return met if met == customer else replace(met, version=met.version + 1)


def move_in(customer: Customer, address: Address) -> Customer:
    """The customer with this address too; the same where it was known."""
    if address in customer.addresses[-MOST_ADDRESSES:]:
        return customer
    others = tuple(other for other in customer.addresses if other != address)
    return replace(customer, version=customer.version + 1, addresses=(*others, address))


def seen(customer: Customer) -> CustomerSeen:
    """What the other services hear of a customer: the addresses used last, where there are very many."""
    return CustomerSeen(
        customer.customer_id,
        customer.guest,
        customer.channel,
        customer.external_ref,
        customer.name,
        customer.email,
        customer.phone,
        customer.language,
        customer.zone,
        customer.addresses[-MOST_ADDRESSES:],
    )

"""Names as people write them, on the label that a carrier is asked for."""

import pytest

from tests.bad_input.hostile import NAMES
from tests.integration.fulfilment_shipping.conftest import ADDRESS, FakeCarrier, Shipping


@pytest.mark.parametrize("name", [name for name in NAMES if len(name) <= 200])
async def test_the_label_is_for_whom_the_customer_named(shipping: Shipping, carrier: FakeCarrier, name: str) -> None:
    await shipping.release(1)
    await shipping.address(1, ADDRESS | {"name": name, "line1": name, "city": name})
    parcel = await shipping.pack(1)
    assert (await shipping.call("POST", f"/v1/parcels/{parcel}/label", "picker")).status_code == 200
    (request,) = carrier.requests
    assert (request.to.name, request.to.line1, request.to.city) == (name, name, name)

"""Shipping's routes."""

from services.fulfilment.shipping.dock.api import router as dock
from services.fulfilment.shipping.labels.api import router as labels
from services.fulfilment.shipping.schedule.api import router as schedule
from services.fulfilment.shipping.tracking.api import router as tracking
from services.fulfilment.shipping.van.api import router as van

routers = (schedule, labels, dock, van, tracking)

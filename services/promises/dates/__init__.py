"""Which date an order is promised, and what becomes of it as the order goes its way."""

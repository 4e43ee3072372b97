"""The real handlers of orders and fulfilment, on stores that keep what the handlers decide as it is, in the fake PostgreSQL."""

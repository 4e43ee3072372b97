"""The history of orders, and the tier it earns."""

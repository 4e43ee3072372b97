"""Notifications on a real PostgreSQL, with a real mail server on loopback."""

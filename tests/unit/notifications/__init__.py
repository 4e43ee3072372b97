"""Notifications without servers."""

"""Loyalty without servers."""

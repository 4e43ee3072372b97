"""Faults on the real stack, and an independent auditor of what became of every order."""

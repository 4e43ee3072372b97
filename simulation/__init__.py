"""Deterministic simulation: the kit's own consume loop, inbox, outbox, offset tracker and relay on a fake database, a fake log and a virtual clock.

One seed is one run: which processes die or stand still and when, which calls are lost, which messages come twice. The same seed gives the same run,
on any machine, so a failure can be looked at as often as one likes: `make simulate SEED=n`.
"""

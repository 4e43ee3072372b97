"""Bugs planted on purpose, one at a time, in a copy of the code: each must be caught, by the check that names it, or the checks have no teeth."""

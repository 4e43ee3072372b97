"""Loyalty decides who is surprised with an overnight delivery, within the rules and the day's budget. It must never tell a customer so."""

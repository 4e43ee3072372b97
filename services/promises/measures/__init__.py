"""What the shop is measured by, from the customer's side: pure functions of promises and contacts, by the formulas of `docs/measures.md`.

How long a person of ours took is measured nowhere, and can be computed from nothing here: a contact has no end.
"""

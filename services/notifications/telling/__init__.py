"""Tells customers of the promises of the ledger, word for word: each once the ledger has noted that it is told, and what may become of it."""

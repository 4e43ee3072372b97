"""The order from capture to close: whether it is taken, when work may start, whether it may be cancelled. Owns customers and their links."""

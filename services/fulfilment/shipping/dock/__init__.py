"""The dock: staging lanes, trailers and their load lists, the carrier's manifest, the hand-over."""

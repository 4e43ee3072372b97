"""A shop, a warehouse crew and a carrier made of bots, which use public interfaces only."""

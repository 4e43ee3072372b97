"""Changes of an order that is under way: units set apart for what it would be, picks that stay, units that go back to their bins."""

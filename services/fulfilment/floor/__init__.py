"""The pick floor: one task per order, released at once, worked in the order of its slack to the hand-over."""

"""Stories that are told on a stack of their own, step by step, through public interfaces only."""

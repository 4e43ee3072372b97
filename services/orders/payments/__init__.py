"""Money that was promised to customers: given back by the payment provider, or put to their credit."""

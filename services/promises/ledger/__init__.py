"""The ledger: every promise to a customer, recorded once, in the words said, by one writer, so that nothing of it can be changed unseen."""

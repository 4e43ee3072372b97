"""What every service shares of the promise ledger: what a promise is, how an entry is written, and the view that each department holds."""

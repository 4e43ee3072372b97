"""The carrier's manifest: what one carrier takes along from one site on one day. Closed once, transmitted once, never amended."""

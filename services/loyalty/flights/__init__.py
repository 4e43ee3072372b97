"""The overnight departures that a surprise could take."""

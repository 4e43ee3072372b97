"""Our own vans: labels that cost nothing, the driver's run sheet, and hand-over by scan."""

"""Stock per site, SKU and bin: what is on hand, what is set apart for whom, and every movement that made it so."""

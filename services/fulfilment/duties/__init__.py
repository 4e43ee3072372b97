"""What fulfilment does for promises: goods and places held before they are promised, lines of the pick task, evidence."""

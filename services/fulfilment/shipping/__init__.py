"""From a released order to the door: which departure it makes, its label, the trailer, the carrier's hand and the carrier's word."""

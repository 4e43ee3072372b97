"""From a placed order to the carrier's hand: which units an order gets, who picks it next, which departure it makes."""

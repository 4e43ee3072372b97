"""What every service shares and no service owns: time, ids, events, transactions, the consume loop, HTTP, logs, metrics. No business word."""

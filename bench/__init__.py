"""Speed, side by side with what a user would pick instead, in one interleaved run. `make bench` writes var/bench.json."""

"""Each contender is a process that consumes BENCH_EVENTS events, does `bench.work` for each, and prints one line of figures."""

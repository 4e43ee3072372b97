"""The bed of fault runs: three brokers, PostgreSQL, two of each worker, and a proxy on every link between a service and what it rests on.

`python -m chaos.bed up | down | status`. It is the stack of `deploy/local` with more of everything; a run holds it by `chaos.bed.bed.Bed`.
"""

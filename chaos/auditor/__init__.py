"""The independent judge of fault runs: it saves what a stack left behind, and says which invariants that violates.

It imports the standard library, psycopg and confluent-kafka only, and knows of Kept what `schemas/`, the tables and `docs/` say: a mistake of
the services must not be repeated here. `collect` needs the servers, `check` needs the folder alone.
"""

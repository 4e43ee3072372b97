"""One invariant a file. Each has `audit(evidence) -> Finding` and says in its docstring what is compared with what."""

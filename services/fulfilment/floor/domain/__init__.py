"""One order, one task, one picker: pure decisions.

A claim is a lease with a fence: the lease (machine time) says from when another may take the task over, the fence says whose word counts. Nothing
here knows when a lease ends: the store asks the database's clock.
"""

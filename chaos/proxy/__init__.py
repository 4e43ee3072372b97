"""A TCP proxy with faults: one process for all links, each link who -> which server, and a port to switch faults from elsewhere.

It never changes a byte. It delays, slices, withholds and cuts; and it reads just enough of Kafka's and PostgreSQL's protocols to lose the answer
to something that was done.
"""

"""A fault run: the bed comes up, a shop sends in bursts, faults befall the bed one after the other, all heals, and the auditor judges what is left.

What was sent and what was answered is in the journal, what befell whom in the timeline (both described in `chaos/auditor/evidence.py`). Everything by
chance comes from one seed, which is printed first: the same seed makes the same faults, though not the same interleaving.
"""

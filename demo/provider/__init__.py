"""A payment provider of its own, small but real: it gives money back once per key, keeps its books on disk, and does on command what providers do on
bad days: no answer, an answer that gets lost, a failure, a no.
"""

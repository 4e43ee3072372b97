"""The one way in which the local stack refuses to start."""


class CannotStart(RuntimeError):
    """One sentence: what stands in the way, and what to do about it. Shown to a person as it is, without a traceback."""

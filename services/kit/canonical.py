"""JSON whose bytes are the same wherever it is written: what is hashed, signed, or compared letter by letter.

Inside its profile (no fractions, integers that a double holds, ASCII names) it equals RFC 8785. It owns the bytes, never their meaning.
"""

import msgspec

GREATEST = 2**53 - 1
"""The largest integer that every reader of JSON reads as it was written."""

canonical = msgspec.json.Encoder(order="sorted").encode
"""The bytes of what `insist_on_profile` accepts, or of a Struct whose fields do."""


class NotCanonical(ValueError):
    """A value that two writers of JSON might write differently; the message names where it stands."""


def insist_on_profile(value: object, at: str = "the value") -> None:
    """Raises NotCanonical for anything but null, booleans, integers up to 2^53 - 1, encodable text, lists, and objects with ASCII names."""
    match value:
        case None | bool():
            return
        case int():
            if abs(value) > GREATEST:
                raise NotCanonical(f"{at} is an integer beyond 2^53 - 1")
        case str():
            if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
                raise NotCanonical(f"{at} holds half of a surrogate pair")
        case list() | tuple():
            for number, each in enumerate(value):
                insist_on_profile(each, f"{at}[{number}]")
        case dict():
            for name, each in value.items():
                if not (isinstance(name, str) and name.isascii()):
                    raise NotCanonical(f"a name in {at} is not ASCII")
                insist_on_profile(each, f"{at}.{name}")
        case _:
            raise NotCanonical(f"{at} is of the type {type(value).__name__}: write numbers as integers in the smallest unit, and instants as text")

"""What a sentence said to a customer may be: it is shown verbatim everywhere, so nothing in it may hide, reorder or break."""

import unicodedata

LONGEST = 280

_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"}
_SPACE = " \u00a0\u202f"


def fault_of(text: str) -> str | None:
    """Why it cannot be said, as one sentence that says what to do instead; None where it can. It is to be in NFC already."""
    if not text.strip(_SPACE):
        return "Write the sentence that the customer will read."
    if len(text) > LONGEST:
        return f"Write at most {LONGEST} characters: this has {len(text)}."
    if any(unicodedata.category(character) in _HIDDEN or (character.isspace() and character not in _SPACE) for character in text):
        return "Leave out what cannot be seen: line breaks, control, zero-width and direction characters."
    if text != unicodedata.normalize("NFC", text):
        return "Write each accented letter as one character (NFC)."
    return None

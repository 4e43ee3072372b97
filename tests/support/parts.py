"""What is read in the named parts of a page."""

from html.parser import HTMLParser

_EMPTY = {"meta", "link", "input", "br", "img"}


class _Parts(HTMLParser):
    def __init__(self, attribute: str) -> None:
        super().__init__()
        self._attribute = attribute
        self._open: list[str | None] = []
        self.texts: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _EMPTY:
            name = dict(attrs).get(self._attribute)
            self._open.append(name)
            if name:
                self.texts[name] = []

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for name in self._open:
            if name:
                self.texts[name].append(data)


def texts(page: str, attribute: str) -> dict[str, list[str]]:
    """By the value of this attribute, the texts inside its element in order, without those of white space alone."""
    parts = _Parts(attribute)
    parts.feed(page)
    return {name: [text.strip() for text in told if text.strip()] for name, told in parts.texts.items()}

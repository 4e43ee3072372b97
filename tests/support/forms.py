"""Uses pages as a browser without JavaScript does: reads them, presses their buttons, follows where it is led."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx

_ORIGIN = {"sec-fetch-site": "same-origin", "accept": "text/html"}


@dataclass
class Form:
    """What a form sends: its fields as they stand, and its buttons by their words, with what each adds."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, dict[str, str]] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.words: list[str] = []
        self._form: Form | None = None
        self._button: dict[str, str] | None = None
        self._in_words = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(given["action"], given["method"])
            self.forms.append(self._form)
        elif tag == "input" and self._form and "name" in given and (given.get("type") != "radio" or "checked" in given):
            self._form.fields[given["name"]] = given.get("value", "")
        elif tag == "button":
            self._button, self._text = ({given["name"]: given["value"]} if "name" in given else {}), ""
        elif "words" in given.get("class", "").split():
            self._in_words = True
            self.words.append("")

    def handle_data(self, data: str) -> None:
        if self._button is not None:
            self._text += data
        if self._in_words:
            self.words[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "button" and self._form and self._button is not None:
            self._form.buttons[self._text.strip()] = self._button
            self._button = None
        elif tag == "p":
            self._in_words = False


class Reader:
    """One person in front of one page. `status` and `text` are what was answered last."""

    def __init__(self, client: httpx.AsyncClient, token: str = "") -> None:
        self._client, self._token = client, token
        self.address, self.status, self.text = "", 0, ""

    @property
    def words(self) -> list[str]:
        """What stands on the page in the customers' words, each an element of its own."""
        return self._read().words

    @property
    def said(self) -> str:
        """The page as one reads it."""
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", self.text))

    @property
    def band(self) -> str:
        """What the band says."""
        found = re.search(r'class="band".*?</div>', self.text, re.DOTALL)
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[0].partition(">")[2])).strip() if found else ""

    def form(self, button: str, **also: str) -> dict[str, str]:
        """What the form with this button sends, of the first where `also` stands in it."""
        found = self._form(button, also)
        return found.fields | found.buttons[button]

    async def open(self, address: str) -> "Reader":
        return await self._ask("GET", address)

    async def press(self, button: str, /, **filled: object) -> "Reader":
        """Press the button with these words, after filling in these fields."""
        found = self._form(button, {})
        return await self.send(found.action, found.fields | found.buttons[button] | {name: str(value) for name, value in filled.items()})

    async def send(self, address: str, fields: dict[str, str]) -> "Reader":
        """Send these fields, as a form does; again, as a reload does."""
        return await self._ask("POST", address, fields)

    def _read(self) -> _Reader:
        reader = _Reader()
        reader.feed(self.text)
        return reader

    def _form(self, button: str, also: dict[str, str]) -> Form:
        forms = self._read().forms
        for each in forms:
            if button in each.buttons and also.items() <= each.fields.items():
                return each
        raise AssertionError(f"no button {button!r} on {self.address}, but {[list(each.buttons) for each in forms]}: {self.said}")

    async def _ask(self, method: str, address: str, fields: dict[str, str] | None = None) -> "Reader":
        cookies = {"cookie": f"kept_sign_in={self._token}"} if self._token else {}
        answered = await self._client.request(method, address, data=fields, headers=_ORIGIN | cookies)
        while answered.is_redirect:  # by hand: the client would leave out a cookie that it was handed
            answered = await self._client.get(answered.headers["location"], headers=_ORIGIN | cookies)
        self.address, self.status, self.text = answered.url.raw_path.decode(), answered.status_code, answered.text
        return self

"""Signed notes: a short text under which a log, and whoever watches it, put their names; and the checkpoint of a log as such a text.

Source: C2SP signed-note, tlog-checkpoint and tlog-cosignature (version 1). Ed25519 only. A key is a name with its number, so that one name may
change its key.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.kit.merkle import Frontier

SIGNATURE, COSIGNATURE = 1, 4
"""The two kinds of a key: over the text alone, and over the text with the instant of signing."""

_DASH = "\u2014"
_MOST_SIGNATURES = 100


class NoteRefused(ValueError):
    """A text that is no signed note, or one whose signature is not what its key says."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """Somebody's public key: `kind` is SIGNATURE or COSIGNATURE, `public` 32 bytes."""

    name: str
    kind: int
    public: bytes

    @property
    def number(self) -> bytes:
        """Four bytes that tell this key from others of the same name."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        """The key in one word, as it is published."""
        return f"{self.name}+{self.number.hex()}+{_base64(bytes([self.kind]) + self.public)}"

    @classmethod
    def read(cls, word: str) -> "Verifier":
        """The key that `str` wrote. Raises NoteRefused."""
        name, _, rest = word.partition("+")
        number, _, key = rest.partition("+")
        raw = _bytes(key)
        if not (_is_name(name) and len(raw) == 33 and raw[0] in (SIGNATURE, COSIGNATURE)):
            raise NoteRefused("a key is written name+number+base64, for Ed25519")
        verifier = cls(name, raw[0], raw[1:])
        if verifier.number.hex() != number:
            raise NoteRefused(f"the number of the key of {name} is not that of its bytes")
        return verifier

    def insist(self, text: str, signature: bytes) -> None:
        """Raises NoteRefused unless this key signed the text."""
        if self.kind == COSIGNATURE:
            text, signature = _timed(text, int.from_bytes(signature[:8])), signature[8:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except InvalidSignature:
            raise NoteRefused(f"the signature of {self.name} does not fit the text") from None


@dataclass(frozen=True, slots=True)
class Signer:
    """Somebody's private key."""

    name: str
    private: Ed25519PrivateKey

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise ValueError("a signer's name is not empty, and has neither spaces nor +")

    def verifier(self, kind: int = SIGNATURE) -> Verifier:
        """The public half."""
        return Verifier(self.name, kind, self.private.public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        """One line that signs the text."""
        return self._line(SIGNATURE, self.private.sign(text.encode()))

    def cosign(self, text: str, at: datetime) -> str:
        """One line that says: by this instant, to the second, the signer saw this log, and it had not lost or changed anything."""
        seconds = int(at.timestamp())
        return self._line(COSIGNATURE, seconds.to_bytes(8) + self.private.sign(_timed(text, seconds).encode()))

    def _line(self, kind: int, signature: bytes) -> str:
        return f"{_DASH} {self.name} {_base64(self.verifier(kind).number + signature)}\n"


def note(text: str, signatures: Iterable[str]) -> str:
    """The text, which ends with a line break, and the lines of its signatures."""
    return text + "\n" + "".join(signatures)


def open_note(signed: str, verifiers: Iterable[Verifier]) -> tuple[str, list[Verifier]]:
    """The text, and who of these signed it. Signatures by other keys are passed over. Raises NoteRefused, also where none of these signed."""
    known = {(each.name, each.number): each for each in verifiers}
    head, gap, tail = signed.rpartition("\n\n")
    lines = tail.split("\n")
    if not gap or lines[-1] or len(lines) > _MOST_SIGNATURES + 1 or any(character < " " and character != "\n" for character in signed):
        raise NoteRefused("a signed note is a text, an empty line, and lines of signatures")
    text, signed_by = head + "\n", dict[Verifier, None]()
    for line in lines[:-1]:
        dash, _, rest = line.partition(" ")
        name, _, signature = rest.partition(" ")
        raw = _bytes(signature)
        if dash != _DASH or not _is_name(name) or len(raw) < 5:
            raise NoteRefused("a line of a signature is a dash, a name, and base64")
        verifier = known.get((name, raw[:4]))
        if verifier and verifier not in signed_by:
            verifier.insist(text, raw[4:])
            signed_by[verifier] = None
    if not signed_by:
        raise NoteRefused("nobody whose key is known here signed the note")
    return text, list(signed_by)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far the log `origin` reaches and what its root then is; `at` is in its own line, to the microsecond."""

    origin: str
    size: int
    root: bytes
    at: datetime

    @classmethod
    def of(cls, origin: str, frontier: Frontier, at: datetime) -> "Checkpoint":
        """The checkpoint of a log that has grown to this frontier."""
        return cls(origin, frontier.size, frontier.root(), at)

    def text(self) -> str:
        """The text that is signed."""
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00")
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\ntime {at}Z\n"

    @classmethod
    def read(cls, text: str) -> "Checkpoint":
        """The checkpoint that such a text tells. Raises NoteRefused."""
        origin, size, root, time, *_ = (*text.split("\n"), "", "", "")
        hashed = _bytes(root)
        if not origin or not size.isdecimal() or size != str(int(size)) or len(hashed) != 32 or not time.startswith("time "):
            raise NoteRefused("a checkpoint is an origin, a size, a root hash, and a time, each on its line")
        try:
            return cls(origin, int(size), hashed, datetime.fromisoformat(time.removeprefix("time ")).astimezone(UTC))
        except ValueError:
            raise NoteRefused("the time of a checkpoint is written as in RFC 3339") from None


def _timed(text: str, seconds: int) -> str:
    return f"cosignature/v1\ntime {seconds}\n{text}"


def _is_name(name: str) -> bool:
    return bool(name) and not any(character.isspace() or character == "+" for character in name)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    """Empty where the text is not base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""

"""Signed notes: the published example, and what a witness must not be shown."""

import base64
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.kit.merkle import Frontier, leaf_hash
from services.kit.notes import COSIGNATURE, Checkpoint, NoteRefused, Signer, Verifier, note, open_note

PUBLISHED_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PUBLISHED = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.

\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""
"""Source: the example of golang.org/x/mod/sumdb/note, which C2SP signed-note describes."""

AT = datetime(2026, 3, 29, 1, 30, 0, 250_000, tzinfo=UTC)
LOG = Signer("kept.example/ledger", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
WITNESS = Signer("kept.example/care", Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))


def test_the_published_note_opens_with_its_published_key() -> None:
    key = Verifier.read(PUBLISHED_KEY)
    assert str(key) == PUBLISHED_KEY
    text, signed_by = open_note(PUBLISHED, [key])
    assert (text, signed_by) == (PUBLISHED.partition("\n\n")[0] + "\n", [key])


def _checkpoint(entries: int = 3) -> Checkpoint:
    frontier, _ = Frontier().grown(leaf_hash(b"%d" % number) for number in range(entries))
    return Checkpoint.of("kept.example/ledger", frontier, AT)


def test_a_checkpoint_is_signed_cosigned_and_read_again() -> None:
    checkpoint = _checkpoint()
    signed = note(checkpoint.text(), [LOG.sign(checkpoint.text()), WITNESS.cosign(checkpoint.text(), AT)])
    text, signed_by = open_note(signed, [LOG.verifier(), WITNESS.verifier(COSIGNATURE)])
    assert Checkpoint.read(text) == checkpoint
    assert [each.name for each in signed_by] == [LOG.name, WITNESS.name]
    assert text == f"kept.example/ledger\n3\n{base64.b64encode(checkpoint.root).decode()}\ntime 2026-03-29T01:30:00.250000Z\n"


def _signed(text: str = _checkpoint().text()) -> str:
    return note(text, [LOG.sign(text)])


@pytest.mark.parametrize(
    "shown",
    [
        _signed().replace("\n3\n", "\n4\n"),
        _signed().replace("\u2014", "-"),
        _signed().replace("\n\n", "\n"),
        _signed().removesuffix("\n"),
        _signed() + "\n",
        _signed().replace("time ", "time\t"),
        note(_checkpoint().text(), []),
        note(_checkpoint().text(), [WITNESS.sign(_checkpoint().text())]),
        note(_checkpoint().text(), [f"\u2014 {LOG.name} !!!\n"]),
        note(_checkpoint().text(), [LOG.cosign(_checkpoint().text(), AT)]),
        note(_checkpoint().text(), [LOG.sign(_checkpoint().text())] * 101),
        "",
    ],
)
def test_what_the_log_did_not_sign_is_refused(shown: str) -> None:
    with pytest.raises(NoteRefused):
        open_note(shown, [LOG.verifier()])


def test_a_signature_by_an_unknown_key_is_passed_over() -> None:
    text = _checkpoint().text()
    _, signed_by = open_note(note(text, [WITNESS.cosign(text, AT), LOG.sign(text), LOG.sign(text)]), [LOG.verifier()])
    assert signed_by == [LOG.verifier()]


def test_a_cosignature_counts_for_its_instant_only() -> None:
    text = _checkpoint().text()
    name, raw = WITNESS.name, bytearray(base64.b64decode(WITNESS.cosign(text, AT).split(" ")[2]))
    raw[11] += 1
    later = f"\u2014 {name} {base64.b64encode(bytes(raw)).decode()}\n"
    with pytest.raises(NoteRefused, match="does not fit"):
        open_note(note(text, [later]), [WITNESS.verifier(COSIGNATURE)])


@pytest.mark.parametrize(
    "word",
    [
        "",
        "a",
        "a+b",
        PUBLISHED_KEY.replace("c74f", "c74e"),
        PUBLISHED_KEY.replace("+AR", "+AA"),
        PUBLISHED_KEY[:-4],
        PUBLISHED_KEY.replace("Peter", "P "),
    ],
)
def test_a_key_that_is_not_whole_is_refused(word: str) -> None:
    with pytest.raises(NoteRefused):
        Verifier.read(word)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n"])
def test_a_signer_has_a_name_in_one_word(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        Signer(name, LOG.private)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n3\n" + "A" * 43 + "=\ntime 2026-03-29T01:30:00Z\n",
        _checkpoint().text().replace("\n3\n", "\n03\n"),
        _checkpoint().text().replace("\n3\n", "\n-3\n"),
        _checkpoint().text().replace("\n3\n", "\n٣\n"),
        _checkpoint().text().replace("=\n", "\n"),
        _checkpoint().text().replace("2026-03-29", "2026-02-29"),
        _checkpoint().text().replace("time ", ""),
    ],
)
def test_a_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteRefused):
        Checkpoint.read(text)

"""Private keys of this installation: Ed25519, each in a file for its owner only, made where there is none yet."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key


def key_in(file: Path) -> Ed25519PrivateKey:
    """The key in this PEM file. May run twice, and beside itself. Raises ValueError where the file holds another kind of key, or none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        _create(file, Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key = load_pem_private_key(file.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{file} is not an Ed25519 key: delete it, and a new one is made")
    return key


def _create(path: Path, content: bytes) -> None:
    """The first of two who write at once wins, whole."""
    beside = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(beside, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    try:
        os.link(beside, path)
    except FileExistsError:
        return
    finally:
        beside.unlink()

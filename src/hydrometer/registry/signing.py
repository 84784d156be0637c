"""Signatures of bundles: Ed25519 over the manifest, which holds the digest of every other file.

A signature says who vouches for a bundle, and that nothing in it changed since. It does not say that the named model
gave the replies. Keys are made and read by the package cryptography; those of openssl and ssh-keygen are taken as well.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hydrometer.errors import BundleError, MissingPackageError, UsageError

PREFIX = "ed25519:"
_KEYS = "cryptography.hazmat.primitives.asymmetric.ed25519"
_FORMS = "cryptography.hazmat.primitives.serialization"
_CONTEXT = b"hydrometer bundle manifest\n"
"""Before what is signed, so that a signature made for something else never fits a bundle."""


class Signature(BaseModel):
    """`signature.json` of a bundle."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    algorithm: Literal["ed25519"] = "ed25519"
    key: str = Field(pattern="^[0-9a-f]{64}$")
    signature: str = Field(pattern="^[0-9a-f]{128}$")


def available() -> bool:
    """Return whether signatures can be made and checked here."""
    return find_spec("cryptography") is not None


def make_key(path: Path) -> str:
    """Write a new private key that only its owner may read, and return the public one as `ed25519:HEX`.

    Raises:
        UsageError: There is a file already, or it cannot be written.
        MissingPackageError: cryptography is not installed.
    """
    keys, forms = _cryptography(_KEYS), _cryptography(_FORMS)
    key = keys.Ed25519PrivateKey.generate()
    body = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
            file.write(body)
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}; a key is never written over, choose another file"
        raise UsageError(msg) from error
    public: bytes = key.public_key().public_bytes_raw()
    return PREFIX + public.hex()


def sign(manifest: bytes, path: Path) -> bytes:
    """Return `signature.json` for a manifest.

    Args:
        manifest: The bytes of `manifest.json`.
        path: File of the private key: PEM or OpenSSH, Ed25519, without a passphrase.

    Raises:
        UsageError: It is none.
        MissingPackageError: cryptography is not installed.
    """
    key = _private(path)
    signed = Signature(
        key=key.public_key().public_bytes_raw().hex(), signature=key.sign(_CONTEXT + manifest).hex()
    )
    return (signed.model_dump_json(indent=1) + "\n").encode()


def signer(manifest: bytes, signature: bytes, where: str) -> str:
    """Return the public key, `ed25519:HEX`, whose owner signed a manifest.

    Args:
        manifest: The bytes of `manifest.json`.
        signature: The bytes of `signature.json`.
        where: Name of the bundle, for messages.

    Raises:
        BundleError: The signature does not fit, or is none.
        MissingPackageError: cryptography is not installed.
    """
    keys, wrong = _cryptography(_KEYS), _cryptography("cryptography.exceptions")
    try:
        signed = Signature.model_validate_json(signature)
        key = keys.Ed25519PublicKey.from_public_bytes(bytes.fromhex(signed.key))
        key.verify(bytes.fromhex(signed.signature), _CONTEXT + manifest)
    except (ValidationError, ValueError, wrong.InvalidSignature) as error:
        msg = f"{where}: signature.json does not fit manifest.json: it was changed, or signed for another bundle"
        raise BundleError(msg) from error
    return PREFIX + signed.key


def public_key(text: str) -> str:
    """Return a public key as `ed25519:HEX`, given so or as a file that holds it.

    Raises:
        UsageError: It is neither.
    """
    found = text.strip()
    if not found.startswith(PREFIX):
        try:
            found = Path(text).read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            found = ""
    try:
        if len(bytes.fromhex(found.removeprefix(PREFIX))) == 32 and found.startswith(PREFIX):
            return found.lower()
    except ValueError:
        pass
    msg = f"{text[:80]!r} is no public key: give {PREFIX} and 64 hexadecimal digits, or a file that holds it"
    raise UsageError(msg)


def _private(path: Path) -> Any:
    keys, forms, wrong = map(_cryptography, (_KEYS, _FORMS, "cryptography.exceptions"))
    try:
        body = path.read_bytes()
    except OSError as error:
        msg = f"cannot read the key {path}: {error.strerror or error}; make one with `hydrometer registry key FILE`"
        raise UsageError(msg) from error
    load = forms.load_ssh_private_key if b"BEGIN OPENSSH" in body else forms.load_pem_private_key
    try:
        key = load(body, password=None)
    except (ValueError, TypeError, wrong.UnsupportedAlgorithm) as error:
        msg = f"{path} is no private key without a passphrase: make one with `hydrometer registry key FILE`"
        raise UsageError(msg) from error
    if not isinstance(key, keys.Ed25519PrivateKey):
        msg = f"{path} is no Ed25519 key: make one with `hydrometer registry key FILE`"
        raise UsageError(msg)
    return key


def _cryptography(name: str) -> Any:
    if not available():
        msg = "signatures need cryptography: pip install 'hydrometer[sign]'"
        raise MissingPackageError(msg)
    return import_module(name)

"""Signed bundles, from the key to the page of the model, and bundles sent to a registry."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from many import rewritten, served

from commands import hydrometer
from hydrometer.errors import BundleError, EvidenceError, MissingPackageError, UsageError
from hydrometer.registry import signing
from hydrometer.registry.bundle import open_bundle, require_signer, write_bundle
from hydrometer.registry.collect import Source, read_source
from hydrometer.registry.pages import render_model
from hydrometer.registry.pushing import push

ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519", reason="the sign extra is not installed")
forms = pytest.importorskip("cryptography.hazmat.primitives.serialization")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    path = tmp_path_factory.mktemp("key") / "key.pem"
    return path, signing.make_key(path)


@pytest.fixture(scope="module")
def signed(folder: Path, key: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(folder, tmp_path_factory.mktemp("signed") / "signed.hydrometer.zip", key=key[0])[0]


def test_a_signature_names_its_key_and_leaves_the_digest_as_it_is(signed: Path, bundle: Path, key: tuple[Path, str]) -> None:
    opened, plain = open_bundle(signed), open_bundle(bundle)
    assert (opened.signer, plain.signer) == (key[1], "")
    assert opened.digest == plain.digest
    require_signer(opened, key[1])
    with pytest.raises(BundleError, match="is signed with no key, not with ed25519:"):
        require_signer(plain, key[1])
    with pytest.raises(BundleError, match=f"is signed with {key[1]}, not with ed25519:00"):
        require_signer(opened, "ed25519:" + "0" * 64)
    entry, _, _ = read_source(Source(path=signed, bundle=True))
    assert entry.signer == key[1]
    assert f"Signed with the key <code>{key[1]}</code>" in render_model([entry])


def test_the_key_is_its_owners_alone_and_is_never_written_over(key: tuple[Path, str]) -> None:
    path, public = key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    with pytest.raises(UsageError, match="a key is never written over"):
        signing.make_key(path)
    assert path.read_bytes() == before
    assert signing.public_key(public.upper().replace("ED25519", "ed25519")) == public
    (path.parent / "key.pub").write_text(public + "\n")
    assert signing.public_key(str(path.parent / "key.pub")) == public
    for nonsense in ("", "ed25519:12", "ed25519:" + "x" * 64, str(path), "\0", str(path.parent)):
        with pytest.raises(UsageError, match="is no public key"):
            signing.public_key(nonsense)


def test_what_a_key_signed_for_something_else_signs_no_bundle() -> None:
    """A key may sign other things too: these very bytes, signed without saying what for, are not taken."""
    made, manifest = ed25519.Ed25519PrivateKey.generate(), b'{"files": {}}'
    public, signature = made.public_key().public_bytes_raw().hex(), made.sign(manifest).hex()
    with pytest.raises(BundleError, match="does not fit"):
        signing.signer(manifest, json.dumps({"key": public, "signature": signature}).encode(), "a.zip")


def test_keys_of_ssh_keygen_are_taken_and_others_are_refused(folder: Path, tmp_path: Path) -> None:
    made = ed25519.Ed25519PrivateKey.generate()
    ssh = tmp_path / "id_ed25519"
    ssh.write_bytes(made.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.OpenSSH, forms.NoEncryption()))
    opened = open_bundle(write_bundle(folder, tmp_path / "a.zip", key=ssh)[0])
    assert opened.signer == "ed25519:" + made.public_key().public_bytes_raw().hex()
    locked = tmp_path / "locked"
    locked.write_bytes(made.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.BestAvailableEncryption(b"x")))
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    other = tmp_path / "other"
    other.write_bytes(generate_private_key(SECP256R1()).private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()))
    (tmp_path / "text").write_text("no key")
    for name, why in (("locked", "without a passphrase"), ("other", "no Ed25519 key"), ("text", "no private key"), ("gone", "cannot read")):
        with pytest.raises(UsageError, match=why):
            write_bundle(folder, tmp_path / "b.zip", key=tmp_path / name)
        assert not (tmp_path / "b.zip").exists()


def _other_manifest(body: bytes) -> bytes:
    return json.dumps({**json.loads(body), "hydrometer": "9.9"}).encode()


def _other_key(body: bytes) -> bytes:
    public = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    return json.dumps({**json.loads(body), "key": public}).encode()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("manifest.json", _other_manifest),
        ("signature.json", _other_key),
        ("signature.json", lambda body: body.replace(b"ed25519", b"ed448")),
        ("signature.json", lambda body: b"{}"),
        ("signature.json", lambda body: b"\xff"),
    ],
    ids=["manifest", "key", "algorithm", "empty", "no text"],
)
def test_a_signature_that_does_not_fit_is_named(signed: Path, tmp_path: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(BundleError, match=r"signature\.json does not fit manifest\.json"):
        open_bundle(rewritten(signed, tmp_path / "forged.zip", {name: change}))


def test_without_the_package_a_signature_is_neither_believed_nor_a_fault(
    signed: Path, folder: Path, key: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "available", lambda: False)
    opened = open_bundle(signed)
    assert (opened.signer, opened.unchecked) == ("", True)
    with pytest.raises(MissingPackageError, match="hydrometer\\[sign\\]"):
        require_signer(opened, key[1])
    with pytest.raises(MissingPackageError, match="hydrometer\\[sign\\]"):
        write_bundle(folder, tmp_path / "x.zip", key=key[0])


def test_on_the_command_line(folder: Path, tmp_path: Path) -> None:
    made = hydrometer("registry", "key", "mine.pem", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    public = made.stdout.strip()
    signed = hydrometer("bundle", str(folder), "-o", "one.zip", "--sign", "mine.pem", cwd=tmp_path)
    assert signed.returncode == 0, signed.stderr
    taken = hydrometer("unbundle", "one.zip", "--out", "in", "--verify-key", public, cwd=tmp_path)
    assert taken.returncode == 0, taken.stderr
    assert f"signed with the key {public}" in taken.stdout
    other = hydrometer("unbundle", "one.zip", "--out", "in", "--verify-key", "ed25519:" + "0" * 64, cwd=tmp_path)
    assert other.returncode == 1
    assert "not taken" in other.stderr


def test_a_bundle_is_sent_and_what_the_registry_says_is_passed_on(signed: Path, key: tuple[Path, str], tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="the serve extra is not installed")
    from hydrometer.registry.database import Database
    from hydrometer.registry.server import make_app

    database = Database(f"sqlite:///{tmp_path / 'registry.sqlite'}")
    token = database.new_token("ann")
    with served(make_app(database)) as port:
        url = f"http://127.0.0.1:{port}"
        kept = push(url, signed, token)
        assert (kept["new"], kept["signer"], kept["uploader"]) == (True, key[1], "ann")
        assert kept["page"].startswith(f"{url}/models/")
        with pytest.raises(EvidenceError, match=r"refused .* \(401\): uploading needs a token"):
            push(url, signed, "nonsense")
        forged = rewritten(signed, tmp_path / "forged.zip", {"signature.json": _other_key})
        with pytest.raises(EvidenceError, match=r"\(422\): .*signature\.json does not fit"):
            push(url, forged, token)
        with pytest.raises(EvidenceError, match="it is no registry of hydrometer"):
            push(f"{url}/models/", signed, token)
    with pytest.raises(EvidenceError, match="does not answer"):
        push(url, signed, token)
    with pytest.raises(EvidenceError, match="cannot read"):
        push(url, tmp_path / "gone.zip", token)
    with pytest.raises(UsageError, match="unencrypted"):
        push("http://example.org", signed, token)
    for nonsense in ("", "example.org", "ftp://x", "https://"):
        with pytest.raises(UsageError, match="is no address of a registry"):
            push(nonsense, signed, token)
    database.close()


def test_sending_without_a_token_is_one_line(tmp_path: Path, signed: Path) -> None:
    answer = hydrometer("registry", "push", "http://localhost:1", str(signed), cwd=tmp_path)
    assert answer.returncode == 2
    assert "HYDROMETER_TOKEN" in answer.stderr

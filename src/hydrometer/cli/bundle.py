"""`hydrometer bundle` and `hydrometer unbundle`: one audit as one file, and back, checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]


def bundle(
    folder: Annotated[
        Path, typer.Argument(help="Folder of one audit, or the --out folder whose newest one is meant.")
    ] = Path("hydrometer-out"),
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The file; named after the audit without it.", show_default=False),
    ] = None,
    sign: Annotated[
        Path | None,
        typer.Option(help="Private key to sign it with (`registry key` makes one).", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write an audit as one file: the report, and every reply that its verdicts can be derived from again."""
    from hydrometer.registry.bundle import write_bundle

    path, digest = write_bundle(folder, output, key=sign)
    typer.echo(json.dumps({"bundle": str(path), "digest": digest}) if as_json else f"{path}\n{digest}")


def unbundle(
    file: Annotated[Path, typer.Argument(help="A bundle.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Where the folder of the audit goes.")] = Path(
        "hydrometer-out"
    ),
    digest: Annotated[
        str, typer.Option(help="Digest that its author published; another one is refused.")
    ] = "",
    verify_key: Annotated[
        str,
        typer.Option(help="Public key that must have signed it, ed25519:HEX, or a file that holds it."),
    ] = "",
    as_json: Json = False,
) -> None:
    """Make a bundle a folder again, once digests, grades and verdicts were derived from its raw replies."""
    import tempfile

    from hydrometer.errors import BundleError
    from hydrometer.registry.bundle import open_bundle, require_signer, unpack
    from hydrometer.registry.checking import check_apart
    from hydrometer.registry.signing import public_key

    opened = open_bundle(file)
    if digest and digest != opened.digest:
        msg = f"{file.name} has the digest {opened.digest}, not {digest}: it is another bundle"
        raise BundleError(msg)
    if verify_key:
        require_signer(opened, public_key(verify_key))
    with tempfile.TemporaryDirectory() as folder:
        found = check_apart(file, Path(folder)).entry.checked
    where = unpack(opened, out)
    replies, grades = (found.replies, found.grades) if found else (0, 0)
    if as_json:
        answer = {"folder": str(where), "digest": opened.digest, "replies": replies, "grades": grades}
        answer["signer"] = opened.signer
        typer.echo(json.dumps(answer))
    else:
        typer.echo(f"{where}\n{replies} replies and {grades} grades derived again: all match")
        if opened.signer:
            typer.echo(f"signed with the key {opened.signer}")
        elif opened.unchecked:
            typer.echo("signed, and not checked by whom: pip install 'hydrometer[sign]'", err=True)

"""`hydrometer registry`: a site of many audits, a server that takes them in, and what sends them there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

registry = typer.Typer(
    name="registry", help="Many audits together: a static site, or a server.", no_args_is_help=True
)

DATABASE = "registry.sqlite"
"""File of a registry in its folder."""

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]


@registry.command()
def build(
    folder: Annotated[Path, typer.Argument(help="Holds audits and bundles.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="Where the site goes.")] = Path("hydrometer-site"),
    url: Annotated[str, typer.Option(help="Address it will have, for the feed.")] = "",
    as_json: Json = False,
) -> None:
    """Build a static site of all audits below a folder. Exit status 1 if some could not be taken; they are named."""
    from hydrometer.canon import to_plain
    from hydrometer.cli.progress import TerminalProgress
    from hydrometer.registry.site import build_site

    with TerminalProgress() as progress:
        built = build_site(folder, out, url=url, progress=progress)
    if as_json:
        typer.echo(json.dumps({"site": str(out), **to_plain(built)}))
    else:
        for fault in built.left_out:
            typer.echo(f"left out: {fault.where}: {fault.why}", err=True)
        typer.echo(f"{out / 'index.html'}: {built.audits:,} audits, {len(built.left_out)} left out")
    raise typer.Exit(1 if built.left_out else 0)


Place = Annotated[Path, typer.Argument(help="Folder of the registry: registry.sqlite in it, and bundles to take in.")]
Url = Annotated[str, typer.Option(help="Database instead of DIR/registry.sqlite: sqlite:///FILE or postgresql://...")]


@registry.command()
def serve(
    folder: Place = Path(),
    database: Url = "",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8077,
    upload: Annotated[int, typer.Option(help="Megabytes of a bundle at most.", min=1)] = 64,
    reads: Annotated[int, typer.Option(help="Requests per minute and address.", min=1)] = 600,
    writes: Annotated[int, typer.Option(help="Uploads per hour and token.", min=1)] = 60,
) -> None:
    """Serve a registry: everybody reads, and bundles of whoever has a token are taken in once they were checked."""
    opened = _open(folder, database)
    import uvicorn

    from hydrometer.registry.importing import take_in
    from hydrometer.registry.server import Settings, make_app

    for line in take_in(opened, folder):
        typer.echo(line, err=True)
    app = make_app(opened, Settings(reads=reads, writes=writes, upload=upload << 20))
    typer.echo(f"http://{host}:{port}/", err=True)
    uvicorn.run(app, host=host, port=port, log_level="warning", server_header=False)


@registry.command()
def token(
    name: Annotated[str, typer.Argument(help="Whose it is; shown beside what is uploaded with it.")],
    folder: Place = Path(),
    database: Url = "",
    revoke: Annotated[bool, typer.Option("--revoke", help="Take it back.")] = False,
) -> None:
    """Make a token for a writer and show it this once, or take it back; only its digest is kept."""
    from hydrometer.errors import UsageError
    from hydrometer.registry.naming import check_writer

    # Opening makes a database where there is none: not for a name that is refused, nor to take back what nobody has.
    check_writer(name)
    if revoke and not database and not (folder / DATABASE).is_file():
        msg = f"there is no registry in {folder}, so there is no token to take back: give its folder"
        raise UsageError(msg)
    opened = _open(folder, database)
    if not revoke:
        typer.echo(opened.new_token(name))
    elif opened.revoke(name):
        typer.echo(f"{name}: revoked")
    else:
        msg = f"there is no token for {name!r}"
        raise UsageError(msg)


@registry.command()
def key(
    file: Annotated[Path, typer.Argument(help="Where the private key goes.", show_default=False)],
) -> None:
    """Make a key to sign bundles with: the private one into a file, the public one printed, to be published."""
    from hydrometer.registry.signing import make_key

    typer.echo(make_key(file))


@registry.command()
def push(
    url: Annotated[str, typer.Argument(help="Address of the registry.", show_default=False)],
    file: Annotated[Path, typer.Argument(help="A bundle.", show_default=False)],
    token: Annotated[
        str, typer.Option(envvar="HYDROMETER_TOKEN", help="Token of a writer.", show_default=False)
    ] = "",
    as_json: Json = False,
) -> None:
    """Send a bundle to a registry, which derives everything in it again before it keeps it."""
    from hydrometer.errors import UsageError
    from hydrometer.registry.pushing import push as send

    if not token:
        msg = "sending needs the token of a writer: --token, or HYDROMETER_TOKEN in the environment"
        raise UsageError(msg)
    kept = send(url, file, token)
    said = "taken in" if kept.get("new") else "was there already"
    typer.echo(json.dumps(kept) if as_json else f"{said}: {kept['page']}")


def _open(folder: Path, url: str) -> Any:
    from importlib.util import find_spec

    from hydrometer.errors import MissingPackageError

    missing = [name for name in ("fastapi", "sqlalchemy", "uvicorn") if find_spec(name) is None]
    if missing:
        msg = f"a registry with a database needs {', '.join(missing)}: pip install 'hydrometer[serve]'"
        raise MissingPackageError(msg)
    from hydrometer.registry.database import Database

    return Database(url or f"sqlite:///{folder / DATABASE}")

"""Take the bundles that lie in a folder into a database, each checked as an uploaded one is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from hydrometer.errors import HydrometerError, RegistryError
from hydrometer.registry.bundle import SUFFIX, open_bundle
from hydrometer.registry.checking import check_apart
from hydrometer.registry.database import Database
from hydrometer.report.json_report import JSON_NAME


def take_in(database: Database, folder: Path) -> Iterator[str]:
    """Take in what is not there yet; yield a line for each that was taken or refused.

    Raises:
        RegistryError: The database is down.
    """
    for path in sorted(folder.glob(f"**/*{SUFFIX}")):
        try:
            bundle = open_bundle(path)
            known = database.entry(bundle.manifest.audit)
            if known and known.content == bundle.content:
                continue
            with tempfile.TemporaryDirectory() as out:
                found = check_apart(path, Path(out))
                report = (found.folder / JSON_NAME).read_bytes()
                database.add(found.entry, report, path.read_bytes())
        except RegistryError:
            raise
        except HydrometerError as error:
            yield f"refused: {error}"
        else:
            yield f"taken in: {path}"

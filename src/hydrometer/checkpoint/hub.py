"""A repository on the hub as a folder: small files whole, big ones by ranges, everything from one commit."""

from __future__ import annotations

import re
from typing import Any

from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import build_hf_headers, validate_repo_id  # type: ignore[attr-defined]  # documented

from hydrometer.checkpoint.places import json_limit, parse_json
from hydrometer.checkpoint.ranges import LOST, TRIES, MissingFileError, RemoteFile, Web, follow, refuse_status
from hydrometer.errors import EngineUnavailableError, ModelError
from hydrometer.version import __version__

_COMMIT = re.compile(r"[0-9a-f]{40}")
_REDIRECTS = 5


class HubFolder:
    """A model repository at one revision.

    The first answer tells the commit that the revision stands for; everything after it is asked of that commit, so
    that an upload in the meantime cannot mix two versions.

    Args:
        repo: Owner and name.
        revision: Branch, tag or commit.
        endpoint: Another server with the hub's paths; it gets no token.

    Raises:
        ModelError: The name is none that the hub has.
    """

    def __init__(self, repo: str, revision: str = "", endpoint: str = "") -> None:
        try:
            validate_repo_id(repo)
        except HFValidationError as error:
            msg = f"{repo!r} is no name of a repository: give hf://OWNER/NAME or hf://OWNER/NAME@REVISION"
            raise ModelError(msg) from error
        self.repo = repo
        self.revision = revision or "main"
        self.endpoint = endpoint or None
        self.commit = ""
        self._listed: list[str] | None = None
        headers = build_hf_headers(
            token=False if endpoint else None, library_name="hydrometer", library_version=__version__
        )
        self.web = Web(headers)

    @property
    def label(self) -> str:
        """The reference that names it."""
        return f"hf://{self.repo}" + ("" if self.revision == "main" else f"@{self.revision}")

    def json(self, name: str) -> dict[str, Any] | None:
        """Return the object in a JSON file, None if there is no such file.

        Raises:
            ModelError: The file is damaged, too large, no object, or the repository is not there.
            EngineUnavailableError: The hub cannot be reached.
        """
        raw = self.read(name, json_limit(name))
        return None if raw is None else parse_json(raw, name, f"{self.label}/{name}")

    def read(self, name: str, most: int) -> bytes | None:
        """Return the content of a small file, None if there is no such file.

        Raises:
            ModelError: It is larger, or the repository is not there.
            EngineUnavailableError: The hub cannot be reached.
        """
        where = f"{self.label}/{name}"
        if self._listed is not None and name not in self._listed:
            return None
        try:
            raw = self._whole(name, where, most)
        except MissingFileError:
            return None
        if len(raw) > most:
            msg = f"{where}: more than {most} bytes are too many for such a file: do not use this model"
            raise ModelError(msg)
        return raw

    def open(self, name: str, head: int = 0) -> RemoteFile | None:
        """Open a file with one request for its start, None if there is no such file.

        Raises:
            ModelError: It cannot be read by ranges, or the repository is not there.
            EngineUnavailableError: The hub cannot be reached.
        """
        if self._listed is not None and name not in self._listed:
            return None
        try:
            file = RemoteFile(self.web, self._url(name), f"{self.label}/{name}", head)
        except MissingFileError:
            return None
        self._pin(file.headers.get("x-repo-commit", ""))
        return file

    def names(self, inside: str = "") -> list[str]:
        """Return the names of its files, or of those in a folder inside it; empty if the hub does not tell.

        Once the list is there, a file that it does not name is not asked for any more.
        """
        found = self._listed
        if found is None:
            token = False if self.endpoint else None
            try:
                info = HfApi(self.endpoint, token=token).model_info(self.repo, revision=self.commit or self.revision)
            except LOST:
                return []
            found = self._listed = sorted(file.rfilename for file in info.siblings or [])
            self._pin(info.sha or "")
        start = f"{inside}/" if inside else ""
        return [name.removeprefix(start) for name in found if name.startswith(start)]

    def _whole(self, name: str, where: str, most: int) -> bytes:
        url = self._url(name)
        place = url
        for _ in range(TRIES + _REDIRECTS):
            answer = self.web.ask(place, url, most + 1)
            self._pin(answer.headers.get("x-repo-commit", ""))
            if answer.status in {301, 302, 303, 307, 308}:
                place = follow(place, answer.headers.get("location", ""), where)
                continue
            refuse_status(answer, where)
            if answer.whole:
                return answer.body
        msg = f"{where}: the server breaks off or redirects every answer: try again later, or download the model"
        raise EngineUnavailableError(msg)

    def _pin(self, commit: str) -> None:
        if not self.commit and _COMMIT.fullmatch(commit):
            self.commit = commit

    def _url(self, name: str) -> str:
        return hf_hub_url(self.repo, name, revision=self.commit or self.revision, endpoint=self.endpoint)

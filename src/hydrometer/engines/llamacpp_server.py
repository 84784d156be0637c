"""A `llama-server` from the PATH, started for one GGUF file: for builds that compute on a GPU.

    llama-server:MODEL.gguf    llama-server:MODEL.gguf+ADAPTER.gguf

It is chosen by name and never by chance: which program lies on the PATH would otherwise decide who answers. Slots are
chosen as the embedded engine does: one where the build sees no GPU, and 16 where it does, or as many windows as a
quarter of the card's free memory holds.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace

from hydrometer.canon import digest
from hydrometer.checkpoint.gguf import GgufHeader
from hydrometer.engines.base import EngineSettings
from hydrometer.engines.llamacpp import SLOTS
from hydrometer.engines.llamacpp_files import (
    ModelFiles,
    cell_bytes,
    file_digest,
    open_files,
    own_sampling,
    window,
)
from hydrometer.engines.machine import processor_threads
from hydrometer.engines.started import Started, StartedEngine, connect, log_folder, template_file
from hydrometer.errors import MissingPackageError
from hydrometer.provenance import ModelIdentity
from hydrometer.spec import ModelRef
from hydrometer.templates.render import try_out

PROGRAM = "llama-server"
_SHARE = 0.25
_DEVICE = re.compile(r"^\s+\S+: .*\((\d+) MiB, (\d+) MiB free\)\s*$", re.MULTILINE)


def open_model(ref: ModelRef, settings: EngineSettings) -> StartedEngine:
    """Start a server for a GGUF file.

    Raises:
        MissingPackageError: There is no `llama-server` on the PATH.
        ModelError: A file is missing or damaged, the adapter belongs to another base, or there is no chat template.
        UnsafeTemplateError: The chat template is without end.
        EngineUnavailableError: The server ended instead of coming up; its last lines say why.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        msg = (
            f"{ref.text!r} needs {PROGRAM} on the PATH: install llama.cpp, or leave the prefix out for the embedded one"
        )
        raise MissingPackageError(msg)
    files = open_files(ref, settings)
    source = settings.chat_template or files.header.chat_template
    # llama-server tries the template while it loads, with no limit on time.
    try_out(source)
    context = window(files.header, settings)
    threads = settings.threads or processor_threads()
    slots = settings.slots or _slots(program, files.header, context)
    command = [program, "--model", str(files.base), "--alias", files.label, "--host", "127.0.0.1", "--port", "{port}"]
    command += ["--ctx-size", str(slots * context), "--parallel", str(slots), "--threads", str(threads), "--jinja"]
    if files.adapter is not None:
        command += ["--lora", str(files.adapter)]
    folder = log_folder(settings)
    if settings.chat_template:
        command += ["--chat-template-file", str(template_file(settings.chat_template, folder))]
    name = f"{PROGRAM} --model {files.base.name}"
    server = Started(name, command, key_variable="LLAMA_API_KEY", log=folder, patience=settings.timeout)
    http = connect(server, ref, settings, files.label)
    choices = {"context": context, "threads": threads, "slots": slots}

    def known(told: ModelIdentity) -> ModelIdentity:
        return _known(told, files, choices)

    return StartedEngine(server, http, known, source)


def _slots(program: str, header: GgufHeader, context: int) -> int:
    """Return the slots that fit into the free memory of the cards that this build sees, one without any."""
    try:
        told = subprocess.run([program, "--list-devices"], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return 1
    free = sum(int(found[2]) for found in _DEVICE.finditer(told.stdout)) << 20
    return max(1, min(SLOTS, int(free * _SHARE) // max(cell_bytes(header) * context, 1))) if free else 1


def _known(told: ModelIdentity, files: ModelFiles, choices: dict[str, int]) -> ModelIdentity:
    weights = file_digest(files.base)
    adapter = file_digest(files.adapter) if files.adapter else ""
    return replace(
        told,
        label=files.label,
        weights=digest([weights, adapter]) if adapter else weights,
        tokenizer=files.header.tokenizer_digest,
        engine=PROGRAM,
        settings=choices,
        precision=files.header.precision,
        architecture=files.header.architecture,
        adapter=adapter,
        default_sampling=own_sampling(files.header.metadata),
        details={**told.details, "file": files.base.name, "trained context": str(files.header.context_length)},
    )

"""vLLM, started for one model with `vllm serve` and asked over HTTP.

    vllm:FOLDER    vllm:OWNER/NAME    vllm:FOLDER+ADAPTER_FOLDER

A server that runs already is reached as `http://HOST:8000/v1#NAME`, or the same behind `vllm:`. Reuse of computed
beginnings is turned off: with it, a reply depends on what was asked before. Followed as vLLM documents it and tested
with a stand-in program; never run with vLLM itself.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from hydrometer.canon import digest, digest_text
from hydrometer.checkpoint.folder import read_adapter, read_folder
from hydrometer.engines.base import EngineSettings
from hydrometer.engines.started import Started, StartedEngine, connect, log_folder, template_file
from hydrometer.errors import MissingPackageError
from hydrometer.provenance import ModelIdentity
from hydrometer.spec import ModelRef
from hydrometer.templates.dialects import dialect_of
from hydrometer.templates.render import try_out

PROGRAM = "vllm"
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks that vLLM reserves room for; one above its default of 16 has to be said."""


def open_model(ref: ModelRef, settings: EngineSettings) -> StartedEngine:
    """Start vLLM for a checkpoint.

    Raises:
        MissingPackageError: There is no `vllm` on the PATH.
        ModelError: The folder is no checkpoint, or its adapter is none.
        UnsafeTemplateError: The chat template is without end.
        EngineUnavailableError: The server ended instead of coming up; its last lines say why.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        msg = (
            f"{ref.text!r} needs vllm on the PATH: pip install vllm where there is a GPU, or give the URL of a server "
            f"that runs it (vllm serve {ref.target}): http://HOST:8000/v1#{ref.target}"
        )
        raise MissingPackageError(msg)
    folder = read_folder(Path(ref.target)) if Path(ref.target).is_dir() else None
    adapter = read_adapter(Path(ref.adapter)) if ref.adapter else None
    name = Path(ref.target).name if folder else ref.target
    label = f"{name}+{Path(ref.adapter).name}" if adapter else name
    command = [program, "serve", ref.target, "--host", "127.0.0.1", "--port", "{port}", "--served-model-name", name]
    command += ["--no-enable-prefix-caching"]
    if settings.dtype != "auto":
        command += ["--dtype", settings.dtype]
    if settings.context:
        command += ["--max-model-len", str(settings.context)]
    if settings.slots:
        command += ["--max-num-seqs", str(settings.slots)]
    if adapter is not None:
        rank = next((rank for rank in _RANKS if rank >= adapter.rank), _RANKS[-1])
        command += ["--enable-lora", "--max-lora-rank", str(rank), "--lora-modules", f"{label}={ref.adapter}"]
    template = settings.chat_template or (folder.chat_template if folder else "")
    # vLLM renders it with no limit on time.
    try_out(template)
    logs = log_folder(settings)
    if settings.chat_template:
        command += ["--chat-template", str(template_file(settings.chat_template, logs))]
    server = Started(
        f"vllm serve {ref.target}", command, key_variable="VLLM_API_KEY", log=logs, patience=settings.timeout
    )
    http = connect(server, ref, settings, label)

    def known(told: ModelIdentity) -> ModelIdentity:
        found = replace(
            told,
            label=label,
            engine=PROGRAM,
            settings={**told.settings, "dtype": settings.dtype, "slots": settings.slots},
            template=digest_text(template.strip()) if template else told.template,
            dialect=dialect_of(template).value if template else told.dialect,
        )
        if folder is None:
            # A model from the hub is known by its replies alone, as on any server.
            return found
        own = adapter.digest() if adapter else ""
        weights = folder.weights_digest()
        return replace(
            found,
            weights=digest([weights, own]) if own else weights,
            precision=folder.dtype,
            architecture=folder.model_type,
            adapter=own,
            settings={**found.settings, "config": folder.config_digest()},
        )

    return StartedEngine(server, http, known, template)

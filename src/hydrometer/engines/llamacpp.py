"""The embedded engine: GGUF files through llama.cpp's own server, running inside this process.

The server listens on a loopback port under a key of its own. With one slot it computes one request at a time, and a
reply depends on its request alone: neither order nor a restart changes it. With several slots requests are decoded
together, and a greedy near-tie can tip with what stands beside it (bench/RESULTS.md). So there is one slot where
llama.cpp computes on the processor, which gains nothing measurable from more, and several where it finds a GPU.
"""

from __future__ import annotations

import os
import secrets
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import replace
from queue import SimpleQueue
from typing import Any

import httpx

from hydrometer.canon import digest
from hydrometer.engines.base import (
    Answer,
    Capabilities,
    ClosingEngine,
    EngineSettings,
    letters_prompt,
    score_apart,
)
from hydrometer.engines.llama_server import LlamaServer
from hydrometer.engines.llamacpp_files import (
    ModelFiles,
    cell_bytes,
    file_digest,
    memory,
    open_files,
    own_sampling,
    window,
)
from hydrometer.engines.machine import openmp_waiting, processor_threads
from hydrometer.errors import ModelError, UnknownNameError
from hydrometer.items import Message, Request
from hydrometer.outcomes import Completion, Finish
from hydrometer.provenance import ModelIdentity
from hydrometer.spec import ModelRef
from hydrometer.templates.dialects import dialect_of
from hydrometer.templates.render import ChatTemplate

SLOTS = 16
"""Slots on a GPU, unless the user chose a number."""

METHODS = ("continuation", "letters")

_GPU = ("GGML_BACKEND_DEVICE_TYPE_GPU", "GGML_BACKEND_DEVICE_TYPE_IGPU")

_CACHE_SHARE = 0.25
_NO_TEMPLATE = "{{ messages[0]['content'] }}"
_PATIENCE = 30.0


def open_model(ref: ModelRef, settings: EngineSettings) -> LlamaCppEngine:
    """Open a GGUF file, with or without a GGUF LoRA adapter.

    Raises:
        ModelError: A file is missing or damaged, the adapter belongs to another base, there is no chat template,
            or llama.cpp cannot load the model.
    """
    files = open_files(ref, settings)
    special = {"bos_token": files.header.bos_token, "eos_token": files.header.eos_token}
    source = settings.chat_template or files.header.chat_template
    return LlamaCppEngine(files, ChatTemplate(source=source, special=special), settings)


def default_slots(devices: Iterable[Mapping[str, Any]]) -> int:
    """Return the number of slots for the devices that llama.cpp sees: one without a GPU, where replies repeat exactly.

    Args:
        devices: What `xllamacpp.get_device_info` lists; accelerators such as BLAS are the processor's own.
    """
    # By name: the members are an enumeration of the binding, whose numbers follow llama.cpp's header.
    return SLOTS if any(getattr(device.get("type"), "name", "") in _GPU for device in devices) else 1


class LlamaCppEngine(ClosingEngine):
    """A GGUF model in an embedded llama.cpp server."""

    def __init__(self, files: ModelFiles, template: ChatTemplate, settings: EngineSettings) -> None:
        self._files = files
        self._template = template
        self._context = window(files.header, settings)
        library = _library()
        wanted_slots = settings.slots or default_slots(library.get_device_info())
        # Fewer where their windows would fill the memory.
        room = int(memory() * _CACHE_SHARE) // max(cell_bytes(files.header) * self._context, 1)
        self._slots = max(1, min(wanted_slots, room))
        # Threads split sums differently, slots decode together, and a greedy near-tie can tip: part of the identity.
        self._threads = settings.threads or processor_threads()
        self._identity: ModelIdentity | None = None
        key = secrets.token_urlsafe(24)
        native, self._version = _start(
            library, files, slots=self._slots, context=self._context, threads=self._threads, key=key
        )
        flights = 2 * self._slots
        client = httpx.Client(
            headers={"Authorization": f"Bearer {key}"},
            timeout=settings.timeout,
            limits=httpx.Limits(max_connections=flights + 4, max_keepalive_connections=flights + 4),
            # A proxy from the environment must never see requests to this process itself.
            trust_env=False,
        )
        self._server = LlamaServer(native.listening_address, client)
        if files.header.bos_token and self._server.begins():
            self._template = replace(template, begin=files.header.bos_token)
        # A finaliser, not only close(): leaving Python with a request in flight crashes inside llama.cpp.
        self._free = weakref.finalize(self, _stop, [native], self._server, client)
        del native

    @property
    def capabilities(self) -> Capabilities:
        """Both ways of scoring, token ids, and weights of its own."""
        return Capabilities(choice_methods=METHODS, token_ids=True, local=True)

    @property
    def chat_template(self) -> str:
        """Source of the chat template in use."""
        return self._template.source

    def identity(self) -> ModelIdentity:
        """Who answers; hashes the files on the first call."""
        if self._identity is None:
            self._identity = self._identify()
        return self._identity

    def generate(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """Yield one answer per request as they finish."""
        # Equal beginnings stand together, so that slots find them computed; llama.cpp fills slots in this order.
        ordered = sorted(requests, key=lambda request: request.messages)
        return self._flown(ordered, self._generated, flights=2 * self._slots)

    def score(self, requests: Sequence[Request], method: str) -> Iterator[Answer]:
        """Yield one answer per request, all choices of an item in one slot behind one computed prompt.

        Raises:
            UnknownNameError: There is no such method.
        """
        if method not in METHODS:
            raise UnknownNameError.among("scoring method", method, METHODS)
        free: SimpleQueue[int] = SimpleQueue()
        for slot in range(self._slots):
            free.put(slot)

        def scored(request: Request) -> Completion:
            slot = free.get()
            try:
                return self._scored(request, method, slot)
            finally:
                free.put(slot)

        def one_prompt(own: Sequence[Request]) -> Iterator[Answer]:
            return self._flown(sorted(own, key=lambda request: request.messages), scored, flights=self._slots)

        return score_apart(requests, one_prompt)

    def close(self) -> None:
        """Stop the server and free the model."""
        self._free()

    def _flown(
        self, requests: Sequence[Request], answer: Callable[[Request], Completion], flights: int
    ) -> Iterator[Answer]:
        self._server.resume()
        pool = ThreadPoolExecutor(max_workers=flights, thread_name_prefix="llamacpp")
        waiting: dict[Future[Completion], Request] = {pool.submit(answer, r): r for r in requests}
        done = False
        try:
            for future in as_completed(tuple(waiting)):
                yield Answer(waiting.pop(future), future.result())
            done = True
        finally:
            # An interrupt or an error must not wait for the replies in flight.
            if not done:
                self._server.cancel()
            pool.shutdown(wait=True, cancel_futures=True)

    def _generated(self, request: Request) -> Completion:
        try:
            prompt = self._template.render(request.messages, thinking=request.thinking)
        except ModelError as error:
            return Completion(finish=Finish.ERROR, error=str(error))
        return replace(self._server.complete(prompt.text, request), served_model="")

    def _scored(self, request: Request, method: str, slot: int) -> Completion:
        messages = request.messages
        if method == "letters":
            messages = _by_letters(messages, request.choices)
        try:
            prompt = self._template.render(messages, thinking=request.thinking)
        except ModelError as error:
            return Completion(finish=Finish.ERROR, method=method, error=str(error))
        if method == "letters":
            return self._server.letters(prompt.text, len(request.choices), slot=slot)
        return self._server.score(prompt.text, request.choices, slot=slot)

    def _identify(self) -> ModelIdentity:
        files, header = self._files, self._files.header
        weights = file_digest(files.base)
        adapter = file_digest(files.adapter) if files.adapter else ""
        return ModelIdentity(
            label=files.label,
            weights=digest([weights, adapter]) if adapter else weights,
            tokenizer=header.tokenizer_digest,
            template=self._template.digest,
            engine="llamacpp",
            engine_version=self._version,
            settings={"context": self._context, "threads": self._threads, "slots": self._slots},
            precision=header.precision,
            architecture=header.architecture,
            adapter=adapter,
            context_length=self._context,
            default_sampling=own_sampling(header.metadata),
            dialect=dialect_of(self._template.source).value,
            details={
                "file": files.base.name,
                "file size": str(header.file_size),
                "parameters": str(header.parameters),
                "quantisation": header.precision,
                "trained context": str(header.context_length),
            },
        )


def _library() -> Any:
    """The binding, imported late: it loads llama.cpp."""
    # Read when the library is loaded: hence before the import.
    os.environ.update(openmp_waiting())
    import xllamacpp

    return xllamacpp


def _start(
    xllamacpp: Any, files: ModelFiles, *, slots: int, context: int, threads: int, key: str
) -> tuple[Any, str]:
    params = xllamacpp.CommonParams()
    params.model.path = str(files.base)
    params.n_parallel = slots
    params.n_ctx = slots * context
    params.kv_unified = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.verbosity = -1
    # Prompts are rendered here. Without one of its own llama.cpp tries the file's template while it loads, with no
    # limit on time: one loop in a stranger's file and nothing ever answers.
    params.chat_template = _NO_TEMPLATE
    params.cache_ram_mib = 0
    # A trial run at load is for speed tests; models are also opened only to learn who they are.
    params.warmup = False
    params.api_keys = [key]
    params.ui = False
    params.n_threads_http = 2 * slots + 8
    if files.adapter is not None:
        lora = xllamacpp.CommonAdapterLoraInfo()
        lora.path, lora.scale = str(files.adapter), 1.0
        params.lora_adapters = [lora]
    try:
        server = xllamacpp.Server(params)
    except (RuntimeError, ValueError, MemoryError) as error:
        msg = (
            f"llama.cpp {xllamacpp.__version__} cannot load {str(files.base)!r} "
            f"(architecture {files.header.architecture!r}): {error}: "
            "update xllamacpp, or lower --slots or --context if memory ran out"
        )
        raise ModelError(" ".join(msg.split())) from error
    build = xllamacpp.BUILD_INFO
    return server, f"xllamacpp {xllamacpp.__version__} ({build.get('compiler', '?')}, {build.get('build_target', '?')})"


def _stop(holder: list[Any], server: LlamaServer, client: httpx.Client) -> None:
    """Free the server once nothing is in flight: destroyed earlier, it waits for ever for its own replies."""
    server.cancel()
    end = time.monotonic() + _PATIENCE
    while server.busy() and time.monotonic() < end:
        time.sleep(0.05)
    holder.clear()
    client.close()


def _by_letters(messages: Sequence[Message], choices: Sequence[str]) -> tuple[Message, ...]:
    last = max((i for i, message in enumerate(messages) if message.role == "user"), default=len(messages) - 1)
    turns = list(messages)
    turns[last] = Message("user", letters_prompt(messages[last].content, choices))
    return tuple(turns)

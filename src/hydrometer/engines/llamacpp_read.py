"""Reading texts with llama.cpp: logits of a whole text, which its server does not give.

The library inside xllamacpp is called directly. Its parameters are structures whose layout moves between versions, so
they are never described here: the library fills them itself, three numbers at the front are set (window and batch
sizes, checked against their known defaults first), and they are handed back as opaque bytes. Anything unexpected is
refused, never guessed.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hydrometer.canon import digest, digest_file
from hydrometer.checkpoint.gguf import GgufHeader, read_header
from hydrometer.engines.base import ClosingEngine, EngineSettings
from hydrometer.engines.llamacpp_files import check_adapter
from hydrometer.engines.machine import openmp_waiting, processor_threads
from hydrometer.engines.reading import Tokens, shares_weights
from hydrometer.errors import EngineError, ModelError
from hydrometer.provenance import ModelIdentity
from hydrometer.spec import ModelRef
from hydrometer.templates.render import ChatTemplate

WINDOW = 2048
_SIZE = 1024
_DEFAULTS = (512, 2048, 512)
# Window, batch and computed batch as `llama_context_default_params` sets them: shows that they still stand in front.
_PIECE = 256

_NEEDED = (
    "llama_backend_init", "llama_model_default_params", "llama_context_default_params", "llama_model_load_from_file",
    "llama_init_from_model", "llama_model_get_vocab", "llama_vocab_n_tokens", "llama_vocab_get_add_bos",
    "llama_vocab_bos", "llama_tokenize", "llama_token_to_piece", "llama_batch_init", "llama_batch_free",
    "llama_decode", "llama_get_logits", "llama_get_memory", "llama_memory_clear", "llama_n_ctx",
    "llama_set_n_threads", "llama_log_set", "llama_free", "llama_model_free", "llama_adapter_lora_init",
    "llama_set_adapters_lora",
)  # fmt: skip


class _Opaque(ctypes.Structure):
    """Parameters that only the library understands; larger than any version's, which costs nothing."""

    _fields_ = (("bytes", ctypes.c_uint8 * _SIZE),)


class _Batch(ctypes.Structure):
    _fields_ = (
        ("n_tokens", ctypes.c_int32),
        ("token", ctypes.POINTER(ctypes.c_int32)),
        ("embd", ctypes.POINTER(ctypes.c_float)),
        ("pos", ctypes.POINTER(ctypes.c_int32)),
        ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
        ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
        ("logits", ctypes.POINTER(ctypes.c_int8)),
    )


_LOG = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
_SILENT = _LOG(lambda *_: None)


def open_reader(ref: ModelRef, settings: EngineSettings) -> LlamaReader:
    """Open a GGUF file to read with, with or without a GGUF LoRA adapter.

    Raises:
        ModelError: A file is missing or damaged, or llama.cpp cannot load it or is laid out in an unknown way.
    """
    if "hf://" in {ref.target[:5], ref.adapter[:5]}:
        msg = f"{ref.text!r}: llama.cpp needs files here: download them with `hf download`, then give their paths"
        raise ModelError(msg)
    path = Path(ref.target)
    header = read_header(path)
    library, version = _library()
    params = library.llama_model_default_params()
    model = library.llama_model_load_from_file(os.fsencode(path), params)
    if not model:
        msg = f"llama.cpp cannot load {str(path)!r} (architecture {header.architecture!r}): update xllamacpp"
        raise ModelError(msg)
    return LlamaReader(ref, settings, library=library, version=version, header=header, model=model)


class LlamaReader(ClosingEngine):
    """A GGUF model that reads.

    Args:
        ref: How the user named it.
        settings: `threads` and `context` are used.
        library: The library with its functions declared.
        version: What it calls itself.
        header: Header of the file.
        model: Handle of the loaded model.
        owner: Whether closing frees the model.
    """

    def __init__(
        self,
        ref: ModelRef,
        settings: EngineSettings,
        *,
        library: Any,
        version: str,
        header: GgufHeader,
        model: int,
        owner: bool = True,
    ) -> None:
        self._ref, self._settings, self._library, self._version = ref, settings, library, version
        self._header, self._owner = header, owner
        self._model: int | None = model
        self._vocab = library.llama_model_get_vocab(model)
        self.context = min(settings.context or WINDOW, header.context_length or WINDOW)
        self._threads = settings.threads or processor_threads()
        params = library.llama_context_default_params()
        front = (ctypes.c_uint32 * 3).from_buffer(params)
        front[0], front[1], front[2] = self.context, self.context, min(_PIECE * 2, self.context)
        self._context: int | None = library.llama_init_from_model(model, params)
        if not self._context or library.llama_n_ctx(self._context) < self.context:
            msg = f"llama.cpp cannot make a window of {self.context} tokens for {ref.text!r}: lower --context"
            raise ModelError(msg)
        library.llama_set_n_threads(self._context, self._threads, self._threads)
        if ref.adapter:
            self._adapt(Path(ref.adapter))

    @property
    def vocabulary(self) -> int:
        """Width of a row of logits."""
        return int(self._library.llama_vocab_n_tokens(self._vocab))

    @property
    def begin(self) -> tuple[int, ...]:
        """What the tokenizer puts before a text."""
        adds = self._library.llama_vocab_get_add_bos(self._vocab)
        return (int(self._library.llama_vocab_bos(self._vocab)),) if adds else ()

    @property
    def chat_template(self) -> ChatTemplate | None:
        """The file's own chat template; the reader itself puts what begins a text before it."""
        source = self._header.chat_template
        special = {"bos_token": self._header.bos_token, "eos_token": self._header.eos_token}
        return ChatTemplate(source=source, special=special) if source.strip() else None

    def identity(self) -> ModelIdentity:
        """Who reads; hashes the files."""
        weights = digest_file(Path(self._ref.target))
        adapter = digest_file(Path(self._ref.adapter)) if self._ref.adapter else ""
        stem = Path(self._ref.target).stem
        return ModelIdentity(
            label=f"{stem}+{Path(self._ref.adapter).stem}" if adapter else stem,
            weights=digest([weights, adapter]) if adapter else weights,
            tokenizer=self._header.tokenizer_digest,
            template="",
            engine="llamacpp",
            engine_version=self._version,
            settings={"context": self.context, "threads": self._threads},
            precision=self._header.precision,
            architecture=self._header.architecture,
            adapter=adapter,
            context_length=self.context,
        )

    def tokens(self, text: str, *, plain: bool = False) -> Tokens:
        """Return the tokens of a text."""
        data = text.encode()
        room = len(data) + 8
        ids = (ctypes.c_int32 * room)()
        count = self._library.llama_tokenize(self._vocab, data, len(data), ids, room, False, not plain)  # noqa: FBT003
        found = tuple(ids[: max(count, 0)])
        # Places in bytes first: a token may end inside a character.
        ends = np.cumsum([len(self._bytes(token)) for token in found]) if found else np.zeros(0, dtype=np.int64)
        if count < 0 or (found and ends[-1] != len(data)):
            msg = f"{self._ref.text!r}: its tokens do not add up to the text: give another text, or read hf:MODEL"
            raise EngineError(msg)
        chars = np.cumsum([0] + [(byte & 0xC0) != 0x80 for byte in data])
        return Tokens(found, tuple(int(chars[at]) for at in (0, *ends[:-1])) if found else ())

    def read(self, rows: Sequence[Sequence[int]], piece: int) -> Iterator[NDArray[np.float32]]:
        """Yield the logits behind every token of every row but its last, row by row.

        Raises:
            EngineError: llama.cpp failed, or the reader is closed.
        """
        for row in rows:
            if self._context is None:
                msg = f"the model {self._ref.text!r} is closed: open it again"
                raise EngineError(msg)
            self._library.llama_memory_clear(self._library.llama_get_memory(self._context), True)  # noqa: FBT003
            step = min(piece, _PIECE)
            for at in range(0, len(row) - 1, step):
                yield self._decoded(row[at : min(at + step, len(row) - 1)], at)

    @property
    def top_only(self) -> None:
        """None: it reads whole rows."""

    def beside(self, ref: ModelRef) -> LlamaReader | None:
        """Return a reader of these weights plus an adapter."""
        if not shares_weights(self._ref, ref) or self._model is None:
            return None
        return LlamaReader(
            ref,
            self._settings,
            library=self._library,
            version=self._version,
            header=self._header,
            model=self._model,
            owner=False,
        )

    def close(self) -> None:
        """Free the model; calling it twice is harmless."""
        if self._context is not None:
            self._library.llama_free(self._context)
            self._context = None
        if self._model is not None and self._owner:
            self._library.llama_model_free(self._model)
        self._model = None

    def _decoded(self, ids: Sequence[int], at: int) -> NDArray[np.float32]:
        library, context = self._library, self._context
        batch = library.llama_batch_init(len(ids), 0, 1)
        try:
            batch.n_tokens = len(ids)
            for i, token in enumerate(ids):
                batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, at + i, 1, 1
                batch.seq_id[i][0] = 0
            status = library.llama_decode(context, batch)
            if status:
                msg = f"llama.cpp failed to read with {self._ref.text!r} (status {status}): lower --context"
                raise EngineError(msg)
            logits = np.ctypeslib.as_array(library.llama_get_logits(context), (len(ids), self.vocabulary))
            return logits.copy()
        finally:
            library.llama_batch_free(batch)

    def _bytes(self, token: int) -> bytes:
        buffer = ctypes.create_string_buffer(512)
        count = self._library.llama_token_to_piece(self._vocab, token, buffer, 512, 0, True)  # noqa: FBT003
        return buffer.raw[: max(count, 0)]

    def _adapt(self, path: Path) -> None:
        check_adapter(path, read_header(path), self._header)
        adapter = self._library.llama_adapter_lora_init(self._model, os.fsencode(path))
        handles, scales = (ctypes.c_void_p * 1)(adapter), (ctypes.c_float * 1)(1.0)
        if not adapter or self._library.llama_set_adapters_lora(self._context, handles, 1, scales):
            msg = f"llama.cpp cannot use the adapter {str(path)!r}: convert it with convert_lora_to_gguf.py"
            raise ModelError(msg)


def _library() -> tuple[Any, str]:
    """The library inside xllamacpp, with its functions declared, and its version."""
    os.environ.update(openmp_waiting())  # as the engine does, and for the same reason
    import xllamacpp

    version = f"xllamacpp {xllamacpp.__version__}"
    library = ctypes.CDLL(xllamacpp.xllamacpp.__file__)
    missing = [name for name in _NEEDED if not hasattr(library, name)]
    if missing:
        msg = f"{version} does not give access to {missing[0]}, so it cannot read texts: use hf:MODEL, or another build"
        raise ModelError(msg)
    _declare(library)
    library.llama_log_set(_SILENT, None)
    library.llama_backend_init()
    front = tuple((ctypes.c_uint32 * 3).from_buffer(library.llama_context_default_params()))
    if front != _DEFAULTS:
        msg = f"{version} lays out its settings in an unknown way ({front}), so it cannot read texts: use hf:MODEL"
        raise ModelError(msg)
    return library, version


def _declare(library: Any) -> None:
    pointer, whole, text = ctypes.c_void_p, ctypes.c_int32, ctypes.c_char_p
    table: dict[str, tuple[Any, list[Any]]] = {
        "llama_backend_init": (None, []),
        "llama_model_default_params": (_Opaque, []),
        "llama_context_default_params": (_Opaque, []),
        "llama_model_load_from_file": (pointer, [text, _Opaque]),
        "llama_init_from_model": (pointer, [pointer, _Opaque]),
        "llama_model_get_vocab": (pointer, [pointer]),
        "llama_vocab_n_tokens": (whole, [pointer]),
        "llama_vocab_get_add_bos": (ctypes.c_bool, [pointer]),
        "llama_vocab_bos": (whole, [pointer]),
        "llama_tokenize": (
            whole,
            [pointer, text, whole, ctypes.POINTER(whole), whole, ctypes.c_bool, ctypes.c_bool],
        ),
        "llama_token_to_piece": (whole, [pointer, whole, pointer, whole, whole, ctypes.c_bool]),
        "llama_batch_init": (_Batch, [whole, whole, whole]),
        "llama_batch_free": (None, [_Batch]),
        "llama_decode": (whole, [pointer, _Batch]),
        "llama_get_logits": (ctypes.POINTER(ctypes.c_float), [pointer]),
        "llama_get_memory": (pointer, [pointer]),
        "llama_memory_clear": (None, [pointer, ctypes.c_bool]),
        "llama_n_ctx": (ctypes.c_uint32, [pointer]),
        "llama_set_n_threads": (None, [pointer, whole, whole]),
        "llama_log_set": (None, [_LOG, pointer]),
        "llama_free": (None, [pointer]),
        "llama_model_free": (None, [pointer]),
        "llama_adapter_lora_init": (pointer, [pointer, text]),
        "llama_set_adapters_lora": (
            whole,
            [pointer, ctypes.POINTER(pointer), ctypes.c_size_t, ctypes.POINTER(ctypes.c_float)],
        ),
    }  # fmt: skip
    for name, (result, arguments) in table.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments

"""Who answered, on what: identities of models and the record of the environment. Frozen values, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from hydrometer.canon import digest, digest_pair


@dataclass(frozen=True, kw_only=True)
class ModelIdentity:
    """What an engine really opened. Part of the key of every completion.

    Attributes:
        label: Short name for tables, never used for identity.
        weights: Digest of the weights, adapters included; for a server, of its fingerprint.
        tokenizer: Digest of the tokenizer, `""` where it cannot be seen.
        template: Digest of the chat template in use, `""` where it cannot be seen.
        engine: Name of the engine.
        engine_version: Version of the package or server build that computes.
        settings: Engine settings that change results (precision, device, context length), nothing else.
        precision: Weight format or dtype, such as `Q4_1` or `float32`.
        architecture: Architecture name, such as `llama`.
        adapter: Digest of the adapter, `""` without one.
        context_length: Largest number of tokens in the window, 0 if unknown.
        family: Key into the vendor sampling presets, `""` if none fits.
        default_sampling: The model's own `generation_config` as read.
        dialect: Think dialect of the template (`none`, `qwen`, `gemma`, `mistral`).
        details: Further facts for the setup table.
    """

    label: str
    weights: str
    tokenizer: str
    template: str
    engine: str
    engine_version: str
    settings: dict[str, Any] = field(default_factory=dict)
    precision: str = ""
    architecture: str = ""
    adapter: str = ""
    context_length: int = 0
    family: str = ""
    default_sampling: dict[str, float] = field(default_factory=dict)
    dialect: str = "none"
    details: dict[str, str] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """Identity under which completions are stored: only what can change a reply."""
        return digest(
            [self.weights, self.tokenizer, self.template, self.engine, self.engine_version, self.settings]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The machine and the packages of a run.

    Attributes:
        hydrometer: Version of this package.
        python: Python version.
        platform: Operating system and processor.
        packages: Versions of the packages that can change a result.
        command: The command line, or `""` when called from Python.
    """

    hydrometer: str
    python: str
    platform: str
    packages: dict[str, str]
    command: str = ""


def completion_key(identity: ModelIdentity, request_digest: str) -> str:
    """Return the key of a completion: two models can never share an answer."""
    return digest_pair(identity.digest, request_digest)

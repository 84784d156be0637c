import html
import json
import re
import shutil
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from many import keep, made

from commands import hydrometer
from hydrometer.errors import EvidenceError, UsageError
from hydrometer.registry.entry import entry_of
from hydrometer.registry.lists import packed, row_of
from hydrometer.registry.naming import slug
from hydrometer.registry.pages import feed
from hydrometer.registry.site import build_site, json_schema
from hydrometer.report.names import model_name
from hydrometer.report.templating import data_block
from hydrometer.result import Verdict

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e"


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Qwen3.5-4B.Q4_K_M.gguf", "Qwen3.5-4B"),
        ("Qwen3.5-4B-UD-Q4_K_XL", "Qwen3.5-4B"),
        ("SmolLM2-135M-Instruct.Q4-1", "SmolLM2-135M-Instruct"),
        ("gemma-4-12b-it-BF16", "gemma-4-12b-it"),
        ("model-IQ3_XXS", "model"),
        ("Qwen3.5-4B-Instruct", "Qwen3.5-4B-Instruct"),
        ("Q4_K_M", "Q4_K_M"),
    ],
)
def test_files_of_one_model_are_found_under_one_name(label: str, name: str) -> None:
    assert model_name(label) == name


def test_names_of_files_are_harmless_and_told_apart() -> None:
    assert re.fullmatch(r"[a-z0-9.-]+", slug("../../etc/<b>"))
    assert slug("a b") != slug("a_b")


def test_an_entry_takes_memory_from_evidence_alone() -> None:
    known = entry_of(made("a.Q4_K_M"), "sha256:x").student
    assert (known.weight_bytes, known.weight_source, known.parameters) == (2_400_000_000, "file", 4_000_000_000)
    unknown = entry_of(made("a.Q4_K_M", size="", quantisation="Q4_K_M"), "sha256:x").student
    assert (unknown.weight_bytes, unknown.weight_source) == (None, "")
    assert row_of(entry_of(made("a", size="", parameters=""), "")).memory == "–"
    for odd in ("-5", "0", "1e9", "٤", "9" * 30):
        assert entry_of(made("a", size=odd), "").student.weight_bytes is None
    loaded = made("a", size="", quantisation="bfloat16")
    identity = replace(loaded.student.identity, settings={"dtype": "bfloat16"})
    counted = entry_of(replace(loaded, student=replace(loaded.student, identity=identity)), "").student
    assert (counted.weight_bytes, counted.weight_source) == (8_000_000_000, "dtype")


def test_an_entry_writes_its_own_sentence_and_verdict() -> None:
    lying = replace(made("a"), headline="a is better in everything.", verdict=Verdict.BETTER)
    entry = entry_of(lying, "")
    assert "worse" in entry.headline
    assert (entry.verdict, entry.run) == (Verdict.WORSE, "base")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Path:
    folder = tmp_path_factory.mktemp("site")
    audits = folder / "audits"
    keep(made("worse-one.Q4_K_M"), audits / "a")
    keep(made("better-one.Q8_0", verdict=Verdict.BETTER, size="4500000000", quantisation="Q8_0"), audits / "b")
    keep(made("open-one", "gemma-4-12b", verdict=Verdict.NOT_ENOUGH, size="", family="gemma4"), audits / "deep" / "c")
    keep(made(HOSTILE, verdict=Verdict.EQUIVALENT), audits / "d")
    (audits / "e.hydrometer.zip").write_bytes(bundle.read_bytes())
    (audits / "half").mkdir()
    (audits / "half" / "evidence.sqlite").write_bytes(b"")
    keep(made("newer"), audits / "newer")
    report = audits / "newer" / "report.json"
    report.write_text(report.read_text().replace('"schema_version":1', '"schema_version":9'))
    keep(replace(made("worse-one.Q4_K_M"), seconds=99.0), audits / "z-contradicts-a")
    keep(made("worse-one.Q4_K_M"), audits / "z-same-as-a")
    nothing = replace(made("nothing"), capabilities=(), verdict=Verdict.INVALID, headline="Not comparable: template", items=(), tasks=(), tokens=())
    keep(nothing, audits / "nothing")
    built = build_site(audits, folder / "out", url="https://example.org/registry")
    assert built.audits == 6
    assert {fault.where: fault.why.split(":")[0] for fault in built.left_out} == {
        "half": "evidence without a report.json",
        "newer/report.json": "the report has schema version 9, this version of hydrometer reads up to 1",
        "z-contradicts-a/report.json": f"audit {entry_of(made('worse-one.Q4_K_M'), '').id}",
    }
    return folder / "out"


def test_every_page_links_only_to_what_is_there(site: Path) -> None:
    pages = [*site.glob("*.html"), *site.glob("bases/*.html"), *site.glob("models/*.html")]
    assert len(pages) >= 3 + 3 + 6
    links = 0
    for page in pages:
        text = page.read_text()
        assert "default-src 'none'" in html.unescape(text)
        for target in re.findall(r'(?:href|src)="([^"]+)"', text):
            path, _, anchor = target.partition("#")
            there = page if not path else (page.parent / path)
            assert there.is_file(), f"{page.name} leads to {target}"
            assert not anchor or f'id="{anchor}"' in there.read_text()
            links += 1
    assert links > 60


def test_hostile_names_stay_text(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert "<img" not in page.read_text(), page
    assert "<" not in data_block({"x": HOSTILE})
    assert "<" not in data_block({"x": "<!-- <script>"})
    index = (site / "index.html").read_text()
    assert index.count("<script") == 2
    assert re.search(r'<script type="application/json" id="data">[^<]*</script>', index)


def test_the_index_says_what_was_left_out(site: Path) -> None:
    text = (site / "index.html").read_text()
    assert "3 could not be taken" in text
    assert "rerun its command" in text
    assert len(json.loads((site / "api" / "left-out.json").read_text())["left_out"]) == 3


def test_a_base_lists_all_of_its_distillations(site: Path) -> None:
    page = (site / "bases" / f"{slug('Qwen3.5-4B')}.html").read_text()
    assert "worse-one.Q4_K_M" in page
    assert "better-one.Q8_0" in page
    assert "open-one" not in page


def test_a_model_page_shows_the_numbers_and_where_they_come_from(site: Path) -> None:
    page = (site / "models" / f"{slug('worse-one')}.html").read_text()
    assert "[-14.1, -3.9]" in page
    assert "size of the file" in page
    assert "hydrometer verify" in page
    assert "Nothing was graded" in (site / "models" / f"{slug('nothing')}.html").read_text()
    assert "not recorded" in (site / "models" / f"{slug('open-one')}.html").read_text()


def test_memory_lists_measured_files_largest_first(site: Path) -> None:
    page = (site / "memory.html").read_text()
    body = page[page.index("<tbody>") :]
    assert body.index("better-one") < body.index("worse-one")
    assert "open-one" not in body[: body.index("</tbody>")]
    assert "2 more do not say how large" in page
    assert "the plain base" in body


def test_the_api_fits_its_schema(site: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    audits = json.loads((site / "api" / "audits.json").read_text())["audits"]
    schema = json.loads((site / "api" / "schema.json").read_text())
    assert schema == json_schema()
    assert len(audits) == 6
    for audit in audits:
        jsonschema.validate(audit, schema)
        assert (site / "api" / "audits" / f"{audit['id']}.json").is_file()
        for target in audit["files"].values():
            assert (site / target.partition("#")[0]).is_file()


def test_the_packed_list_holds_what_the_pages_hold(site: Path) -> None:
    small = json.loads((site / "index.json").read_text())
    audits = json.loads((site / "api" / "audits.json").read_text())["audits"]
    assert [row[0] for row in small["rows"]] == [audit["id"] for audit in audits]
    for row, audit in zip(small["rows"], audits, strict=True):
        assert small["names"][row[1]] == audit["student"]["label"]
        assert small["verdicts"][row[9]][0] == audit["verdict"]
        letters = dict(zip(small["capabilities"], row[10], strict=True))
        given = {c["name"]: c["verdict"] for c in audit["capabilities"]}
        assert {n: small["verdicts"][x][0] for n, x in letters.items() if x != "-"} == given


def test_the_feed_is_atom_with_absolute_addresses(site: Path) -> None:
    root = ET.fromstring((site / "feed.xml").read_text())
    space = {"a": "http://www.w3.org/2005/Atom"}
    entries = root.findall("a:entry", space)
    assert len(entries) == 6
    for entry in entries:
        assert entry.findtext("a:id", namespaces=space).startswith("urn:hydrometer:audit:")
        assert entry.find("a:link", space).get("href").startswith("https://example.org/registry/models/")
    assert "<entry" not in feed([])
    odd = "".join(map(chr, (0, 1, 0x0B, 0x1F, 0x7F, 0xFFFE, 0xFFFF)))
    ET.fromstring(feed([entry_of(made(f"a{odd}b"), "")]).encode())


def test_a_site_is_replaced_whole_and_nothing_else_is(tmp_path: Path) -> None:
    keep(made("one"), tmp_path / "in" / "one")
    assert build_site(tmp_path / "in", tmp_path / "out").audits == 1
    keep(made("two"), tmp_path / "in" / "two")
    assert build_site(tmp_path / "in", tmp_path / "out").audits == 2
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(UsageError, match="something else than a registry"):
        build_site(tmp_path / "in", tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "x"
    with pytest.raises(EvidenceError, match="no audit in"):
        build_site(tmp_path / "mine", tmp_path / "out")
    with pytest.raises(EvidenceError, match="no folder"):
        build_site(tmp_path / "missing", tmp_path / "out")
    assert len(list((tmp_path / "out" / "audits").iterdir())) == 2
    with pytest.raises(UsageError, match="something else than a registry"):
        build_site(tmp_path / "in", tmp_path / "mine" / "thesis.txt")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "x"


def test_a_site_can_be_built_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(made("one"), tmp_path / "in" / "one")
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    assert build_site(tmp_path / "in", Path()).audits == 1
    assert (tmp_path / "out" / "index.html").is_file()


def test_a_site_among_its_audits_is_not_taken_for_some(tmp_path: Path) -> None:
    keep(made("one"), tmp_path / "one")
    keep(made("two"), tmp_path / "two")
    assert build_site(tmp_path, tmp_path / "site").audits == 2
    shutil.rmtree(tmp_path / "two")
    assert build_site(tmp_path, tmp_path / "site").audits == 1


def test_a_thousand_audits_fit_into_the_index(tmp_path: Path) -> None:
    from hydrometer.registry.site import EMBEDDED, _write_lists

    first = entry_of(made("Qwopus-Reasoning-Distill.Q4_K_M"), "")
    many = [
        replace(first, id=f"{n:016x}", student=replace(first.student, label=f"Qwopus-Reasoning-{n}.Q4_K_M", name=f"Qwopus-Reasoning-{n}"))
        for n in range(1000)
    ]
    _write_lists(tmp_path, many, [])
    assert (tmp_path / "index.html").stat().st_size < 300_000
    assert len(list(tmp_path.glob("page-*.html"))) == 19
    more = [replace(entry, id=f"{n:016x}", student=replace(first.student, label=f"{n}" * 20)) for n, entry in enumerate(many * 2)]
    assert len(data_block(packed(more))) > EMBEDDED
    _write_lists(tmp_path, more, [])
    assert 'id="data"' not in (tmp_path / "index.html").read_text()
    assert (tmp_path / "index.html").stat().st_size < 300_000


def test_on_the_command_line(tmp_path: Path) -> None:
    keep(made("one"), tmp_path / "in" / "one")
    built = hydrometer("registry", "build", "in", "-o", "out", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    (tmp_path / "in" / "two").mkdir()
    (tmp_path / "in" / "two" / "report.json").write_text("{")
    built = hydrometer("registry", "build", "in", "-o", "out", cwd=tmp_path)
    assert built.returncode == 1
    assert "left out: two/report.json: the report is not JSON" in built.stderr
    assert "1 audits, 1 left out" in built.stdout

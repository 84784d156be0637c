"""Tasks of lm-eval on our engines: scores equal to lm-eval's own, item by item, and nothing read outside of a folder."""

from __future__ import annotations

import doctest
import json
import os
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

if find_spec("lm_eval") is None:
    pytest.skip("needs lm-eval: pip install 'hydrometer[lm-eval]'", allow_module_level=True)

import hydrometer
from hydrometer.api import choose_tasks
from hydrometer.catalog import load_task, load_tasks
from hydrometer.engines.base import Engine, EngineSettings
from hydrometer.engines.fake import FakeEngine, spoken
from hydrometer.errors import UsageError
from hydrometer.grading import grade_completion
from hydrometer.items import Decoding, Item, Kind, Request
from hydrometer.outcomes import Completion, Finish, Grade, Status
from hydrometer.plan import draw_items, make_plan
from hydrometer.spec import AuditSpec, ModelRef
from hydrometer.tasks.base import Task
from hydrometer.verify import verify_folder

sys.path.insert(0, str(Path(__file__).parents[1]))

FOLDER = Path(__file__).parents[1] / "fixtures" / "lm_eval_tasks"
STEPS = 150
REF = ModelRef(text="x", engine="fake", target="echo")


def named(name: str, options: str = "") -> str:
    return f"lm_eval:{name}@{FOLDER}{options}"


def requests_of(task: Task) -> list[tuple[Item, Request]]:
    spec = AuditSpec(base=REF, student=REF)
    own = {task: task.limit}
    hot = Decoding(temperature=1.0)
    plan = make_plan(spec, draw_items(own, spec.seed), base_decoding=hot, student_decoding=hot, choice_method="letters")
    return [(entry.item, entry.base) for entry in plan]


def answered(engine: Engine, task: Task) -> list[tuple[Item, Completion, Grade]]:
    asked = requests_of(task)
    only = [request for _, request in asked]
    stream = engine.score(only, task.method) if task.kind is Kind.CHOICES else engine.generate(only)
    said = {answer.request.digest: answer.completion for answer in stream}
    return [
        (item, said[request.digest], grade_completion(task, item, said[request.digest]).grade)
        for item, request in asked
    ]


def lessons() -> list[str]:
    """Half of the fixtures' questions with their answers and half with wrong ones, so that both scores occur."""
    rows = {
        path.stem: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in FOLDER.glob("*.jsonl")
    }
    texts = []
    for number, row in enumerate(rows["facts"] + rows["shots"]):
        told = row["options"][(row["right"] + number % 2) % 3]
        texts.append(f"Question: {row['question']}\nAnswer: {told}\n\n")
    shots = [f"{row['left']} + {row['right']} = {row['sum']}\n\n" for row in rows["sum_shots"]]
    for number, row in enumerate(rows["sums"] * 3):
        own = f"{row['left']} + {row['right']} = {int(row['sum']) + number % 2}\n\n"
        texts.append("".join((shots * 2)[number % 4 :][:3]) + own)
    for number, row in enumerate(rows["endings"]):
        texts.append(f"{row['text']} {row['end'] if number % 2 else 'blue'}\n\n")
    return texts


def train(folder: Path, *, begins: bool) -> None:
    """Teach a tiny model some texts by heart; with `begins` its tokenizer puts a token before every text."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    if begins:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        first = "<|endoftext|>"
        tokenizer.post_processor = TemplateProcessing(
            single=f"{first} $A", special_tokens=[(first, tokenizer.token_to_id(first))]
        )
        tokenizer.save(str(folder / "tokenizer.json"))
        # Such a model's template begins with the token too; lm-eval adds it where it does not, and no server would.
        template = (folder / "chat_template.jinja").read_text(encoding="utf-8")
        (folder / "chat_template.jinja").write_text("{{- bos_token -}}" + template, encoding="utf-8")
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "bos_token": first}), encoding="utf-8")
    words = AutoTokenizer.from_pretrained(folder, use_fast=True)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim >= 2 and "norm" not in name:
                weight.normal_(0.0, 0.1)
    rows = [words(text)["input_ids"] for text in lessons()]
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    labels = torch.tensor([row + [-100] * (width - len(row)) for row in rows])
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(STEPS):
        loss = model(input_ids=ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(folder)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "begins"])
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A tiny trained model in transformers, for us and for lm-eval alike."""
    if find_spec("torch") is None or find_spec("transformers") is None:
        pytest.skip("needs the hf extra")
    from hydrometer.catalog import open_engine
    from tiny_models import build_tiny

    folder = build_tiny("llama", tmp_path_factory.mktemp("small") / "tiny", 0)
    train(folder, begins=request.param)
    target = str(folder)
    settings = EngineSettings(dtype="float32", device="cpu", threads=1)
    with open_engine(ModelRef(text=target, engine="hf", target=target), settings) as engine:
        yield engine


RESULTS: dict[str, dict[str, float]] = {}
"""The newest aggregated results of lm-eval, by task and group."""


def oracle(engine: Any, name: str, folder: Path, *, window: int = 512, **options: Any) -> list[dict[str, Any]]:
    """What lm-eval itself says, with its own model class around the same weights."""
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    for file in FOLDER.iterdir():
        shutil.copy(file, folder)
    before = Path.cwd()
    os.chdir(folder)  # lm-eval looks for data files from the working folder
    try:
        loaded = engine._loaded
        model = HFLM(
            pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=1, max_length=window, device="cpu"
        )
        found = lm_eval.simple_evaluate(
            model=model,
            tasks=[name],
            task_manager=TaskManager(include_path=str(folder), include_defaults=False),
            bootstrap_iters=0,
            log_samples=True,
            **options,
        )
    finally:
        os.chdir(before)
    assert found is not None
    RESULTS.update(found["results"])
    samples: list[dict[str, Any]] = found["samples"].get(name, [])
    return samples


def doc_key(doc: Any) -> str:
    return json.dumps(doc, sort_keys=True)


@pytest.mark.torch
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    ("name", "metrics"),
    [
        ("hydro_facts", ["acc", "acc_norm", "acc_mutual_info", "exact_match"]),
        ("hydro_pronouns", ["acc"]),
        ("hydro_endings", ["acc"]),
    ],
)
def test_log_probabilities_and_scores_are_those_of_lm_eval(
    small: Any, tmp_path: Path, name: str, metrics: list[str]
) -> None:
    theirs = {doc_key(s["doc"]): s for s in oracle(small, name, tmp_path)}
    values = set()
    for metric in metrics:
        ours = answered(small, load_task(named(name, f"?metric={metric}")))
        assert len(ours) == len(theirs)
        for item, completion, grade in ours:
            sample = theirs[doc_key(item.answer["doc"])]
            wanted = [resps[0] for resps in sample["resps"]]
            got = [(choice.logprob, choice.greedy) for choice in completion.choices]
            assert [g for _, g in got] == [bool(greedy) for _, greedy in wanted]
            assert [p for p, _ in got] == pytest.approx([p for p, _ in wanted], abs=2e-3)
            assert grade.status is Status.GRADED, grade.reason
            assert grade.value == sample[metric]
            values.add(grade.value)
    assert name != "hydro_facts" or values == {0.0, 1.0}, "a comparison in which all scores are the same shows nothing"


@pytest.mark.torch
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("chat", [False, True])
def test_replies_and_filtered_scores_are_those_of_lm_eval(small: Any, tmp_path: Path, chat: bool) -> None:
    options = {"apply_chat_template": True, "fewshot_as_multiturn": True} if chat else {}
    samples = oracle(small, "hydro_sums", tmp_path, **options)
    values = set()
    for filtered in ("strict", "flexible"):
        theirs = {doc_key(s["doc"]): s for s in samples if s["filter"] == filtered}
        ours = answered(small, load_task(named("hydro_sums", f"?filter={filtered}&chat={chat}")))
        assert len(ours) == len(theirs) == 10
        for item, completion, grade in ours:
            sample = theirs[doc_key(item.answer["doc"])]
            assert completion.text == sample["resps"][0][0]
            assert grade.value == sample["exact_match"]
            assert completion.completion_tokens is not None
            assert completion.finish is Finish.STOP or grade.reason.startswith("cut after 24 tokens")
            values.add(grade.value)
    # The lessons hold no conversations.
    assert chat or values == {0.0, 1.0}


@pytest.mark.torch
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("window", [512, 40])
def test_perplexity_is_that_of_lm_eval(small: Any, tmp_path: Path, window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = {doc_key(s["doc"]): s for s in oracle(small, "hydro_stories", tmp_path, window=window)}
    monkeypatch.setattr(small, "_context", window)
    task = load_task(named("hydro_stories"))
    assert (task.corpus, task.method) == (True, "rolling")
    requests = [request for _, request in requests_of(task)]
    said = {answer.request.digest: answer.completion for answer in small.score(requests, "rolling")}
    ours = [(item, said[request.digest]) for item, request in requests_of(task)]
    lengths = [completion.choices[0].tokens for _, completion in ours]
    assert max(lengths) > 40, "the short window is shorter than a text"
    for item, completion in ours:
        wanted = samples[doc_key(item.answer["doc"])]["resps"][0][0]
        assert completion.choices[0].logprob == pytest.approx(wanted, rel=1e-4)
    theirs = RESULTS["hydro_stories"]
    got = task.corpus_metrics(ours)
    assert {name.partition(" ")[0] for name in got} == {"word_perplexity", "byte_perplexity", "bits_per_byte"}
    for name, value in got.items():
        assert value == pytest.approx(theirs[f"{name.partition(' ')[0]},none"], rel=1e-4)


@pytest.mark.torch
@pytest.mark.filterwarnings("default")
def test_the_figures_of_a_group_are_those_of_lm_eval(small: Any, tmp_path: Path) -> None:
    oracle(small, "hydro_group", tmp_path)
    answers = {
        task: [(item, completion) for item, completion, _ in answered(small, task)]
        for task in load_tasks(named("hydro_group"))
    }
    assert {task.capability for task in answers} == {"lm_eval:hydro_group"}
    families = {family.name.removeprefix("lm_eval:"): family for task in answers for family in task.families}
    assert set(families) == {"hydro_group", "hydro_group::hydro_inner"}
    seen = {}
    for name, family in families.items():
        own = {task: rows for task, rows in answers.items() if family in task.families}
        for what, value in family.figures(own).items():
            metric, _, rest = what.partition(" (")
            kept = rest.partition(")")[0]
            assert value == pytest.approx(RESULTS[name][f"{metric},{kept}"]), what
            seen[f"{name} {what}"] = value
    alike = "hydro_group acc_norm (none), mean over 2 of 4 tasks, each with the same weight"
    weighted = "hydro_group acc (none), mean over 3 of 4 tasks, weighted by their items"
    assert set(seen) > {alike, weighted}
    assert len(set(seen.values())) > 1


def test_a_group_is_one_capability_with_its_figures_beside_the_verdict(tmp_path: Path) -> None:
    result = audited(tmp_path / "out", named("hydro_group"))
    (capability,) = result.capabilities
    assert (capability.capability, len(result.items)) == ("lm_eval:hydro_group", 27)
    assert {task.task.rpartition(":")[2]: task.items for task in result.tasks} == {
        "hydro_facts": 10, "hydro_pronouns": 4, "hydro_sums": 10, "hydro_more_facts": 3,
    }  # fmt: skip
    acc = next(f for f in result.findings if f.aspect.startswith("lm_eval:hydro_group acc (none)"))
    scores = [
        [item.base.reason for item in result.items if "acc " in item.base.reason],
        [item.student.reason for item in result.items if "acc " in item.student.reason],
    ]
    right = [sum("acc 1" in reason for reason in own) / len(own) for own in scores]
    assert [float(acc.base), float(acc.student)] == pytest.approx(right, abs=1e-5)
    assert acc.message.startswith("over 27 of 27 items")
    assert verify_folder(tmp_path / "out").problems == ()


def test_a_tag_stands_for_its_tasks_and_a_task_is_asked_once() -> None:
    tagged = load_tasks(named("hydro_choices"))
    assert {task.capability for task in tagged} == {"lm_eval:hydro_facts", "lm_eval:hydro_pronouns"}
    assert not any(task.families for task in tagged)
    with pytest.raises(UsageError, match="is a group of 2 tasks"):
        load_task(named("hydro_choices"))
    twice = AuditSpec(base=REF, student=REF, tasks=(named("hydro_group"), named("hydro_sums")))
    with pytest.raises(UsageError, match="lm_eval:hydro_sums is asked already"):
        choose_tasks(twice)


def test_tasks_of_a_group_are_scored_by_what_it_puts_together() -> None:
    scored = {task.name.rpartition(":")[2]: task.summary for task in load_tasks(named("hydro_group"))}
    assert "acc_norm (none)" in scored["hydro_facts"]
    assert "acc (none)" in scored["hydro_pronouns"]
    assert "acc (none)" in load_task(named("hydro_facts")).summary


def test_a_task_may_name_its_group_as_older_files_do(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "mine")
    with (tmp_path / "mine" / "facts.yaml").open("a", encoding="utf-8") as file:
        file.write("group: older\n")
    (task,) = load_tasks(f"lm_eval:hydro_facts@{tmp_path / 'mine'}")
    assert task.capability == "lm_eval:hydro_facts"


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ("group: g\ntask: [nothing]\n", "holds 'nothing', which is no task of this folder"),
        ("group: g\ntask: []\n", "is a group without tasks"),
        ("group: g\ntask:\n  - {task: own, dataset_path: json, dataset_kwargs: {data_dir: ..}}\n", "leads out of the folder"),
        ("group: g\ntask: [t]\ndataset_kwargs: {data_files: {test: ../x.jsonl}}\n", "leads out of the folder"),
        ("group: g\ntask:\n  - {task: own, process_docs: !function ../x.keep}\n", "leads out of the folder"),
    ],
)
def test_a_group_that_cannot_be_is_said_in_one_line(tmp_path: Path, group: str, words: str) -> None:
    (tmp_path / "t.yaml").write_text("task: t\n", encoding="utf-8")
    (tmp_path / "g.yaml").write_text(group, encoding="utf-8")
    with pytest.raises(UsageError, match=words) as caught:
        load_tasks(f"lm_eval:g@{tmp_path}")
    assert "\n" not in str(caught.value)


def test_a_reply_is_judged_as_it_stands() -> None:
    task = load_task(named("hydro_sums", "?filter=flexible"))
    item = next(i for i, _ in requests_of(task) if i.answer["doc"]["sum"] == "5")
    assert (item.messages[0].role, item.messages[-1]) == ("raw", ("stop", "\n\n"))

    def grade(text: str, finish: Finish = Finish.STOP) -> Grade:
        return grade_completion(task, item, Completion(text=text, finish=finish, completion_tokens=24)).grade

    assert grade(" 5").value == 1.0
    cut = grade(" 5 and then", Finish.LENGTH)
    assert (cut.value, cut.reason) == (1.0, "cut after 24 tokens; exact_match 1")
    for text in ("", "I cannot help with that.", "<think> 5", " 6\n\n5"):
        assert grade(text).value == (1.0 if text == "<think> 5" else 0.0)
    assert grade(" 5", Finish.ERROR).status is Status.ENGINE_ERROR


def test_the_settings_of_the_task_hold_and_the_order_is_drawn() -> None:
    task = load_task(named("hydro_sums"))
    ((_, request), *_) = requests_of(task)
    assert request.decoding.greedy
    assert (request.max_tokens, request.stops) == (24, ("\n\n",))
    facts = load_task(named("hydro_facts"))
    ((_, scored), *_) = requests_of(facts)
    assert scored.method == "continuation"
    assert (facts.chance, facts.limit) == (pytest.approx(1 / 3), 10)
    first, again, other = facts.items(5, 0), facts.items(10, 0)[:5], facts.items(5, 1)
    assert first == again != other
    assert len({item.id for item in facts.items(10, 0)}) == 10


def audited(folder: Path, *tasks: str, **options: Any) -> Any:
    def open_fake(ref: ModelRef, settings: EngineSettings) -> FakeEngine:
        right = {"2 + 3": " 5", "4 + 4": " 8 and so on " * 9}

        def reply(request: Request) -> Completion:
            last = request.asked.rpartition("\n\n")[2]
            return spoken(request, next((said for key, said in right.items() if key in last), " 7"))

        return FakeEngine(reply, ref.target, ref.target)

    return hydrometer.audit(
        "fake:one", "fake:two", tasks=tasks, opener=open_fake, out=folder, items=0, fixed=True, **options
    )


def test_an_audit_keeps_what_verify_needs(tmp_path: Path) -> None:
    result = audited(tmp_path, named("hydro_facts"), named("hydro_sums", "?filter=flexible"))
    assert {task.task: task.items for task in result.tasks} == {
        "lm_eval:hydro_facts": 10,
        "lm_eval:hydro_sums": 10,
    }
    assert next(c for c in result.cuts if c.capability == "lm_eval:hydro_sums").hits.base == pytest.approx(0.1)
    found = verify_folder(tmp_path)
    assert (found.grades, found.problems) == (40, ())


def test_what_is_measured_as_a_whole_stands_beside_the_verdicts(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="stands beside verdicts: add a task"):
        audited(tmp_path / "alone", named("hydro_endings", "?metric=perplexity"))
    with pytest.raises(UsageError, match="and servers do not give"):
        audited(tmp_path / "rolling", named("hydro_stories"))
    result = audited(
        tmp_path / "out", named("hydro_sums"), named("hydro_stories"), named("hydro_endings", "?metric=perplexity")
    )
    notes = {finding.aspect: finding for finding in result.findings}
    beside = notes["lm_eval:hydro_endings perplexity (lower is better)"]
    assert float(beside.base) > 1.0 < float(beside.student) != float(beside.base)
    assert beside.message.startswith("over 6 of 6 items together")
    assert notes["task lm_eval:hydro_stories"].base == "left out"
    assert {item.task for item in result.items} == {"lm_eval:hydro_sums"}
    assert verify_folder(tmp_path / "out").problems == ()


def test_verify_says_what_is_missing_and_finds_another_grader(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(FOLDER, mine)
    audited(tmp_path / "out", f"lm_eval:hydro_sums@{mine}?filter=flexible")
    rules = (mine / "sums.yaml").read_text(encoding="utf-8")
    (mine / "sums.yaml").write_text(rules.replace('"([0-9]+)"', '"nothing"'), encoding="utf-8")
    problems = verify_folder(tmp_path / "out").problems
    assert any("the grader now finds another" in problem for problem in problems)
    shutil.rmtree(mine)
    problems = verify_folder(tmp_path / "out").problems
    assert "is not a folder" in problems[0]


TRICKS = {
    "include": ("include: ../outside.yaml\n", "outside.yaml"),
    "function": ("process_docs: !function ../outside.keep\n", "outside"),
    "rooted function": ("process_docs: !function /outside.keep\n", "outside"),
    "data": ("dataset_kwargs: {data_files: {test: ../outside.jsonl}}\n", "outside.jsonl"),
    "absolute data": ("dataset_kwargs: {data_files: {test: /etc/hostname}}\n", "hostname"),
    "data folder": ("dataset_kwargs: {data_dir: ..}\n", ".."),
    "dataset": ("dataset_path: ../data\n", "data"),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_no_path_leads_out_of_the_folder(tmp_path: Path, trick: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    for name, text in (
        ("outside.yaml", "task: x\n"),
        ("outside.py", "raise SystemExit('ran')\n"),
        ("outside.jsonl", "{}"),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
    line, what = TRICKS[trick]
    (inside / "t.yaml").write_text(f"task: t\n{line}", encoding="utf-8")
    with pytest.raises(UsageError, match="leads out of the folder") as caught:
        load_task(f"lm_eval:t@{inside}")
    assert what in str(caught.value)


def test_no_link_leads_out_of_the_folder(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "facts.yaml").symlink_to(FOLDER / "facts.yaml")
    with pytest.raises(UsageError, match="leads out of the folder"):
        load_task(f"lm_eval:hydro_facts@{inside}")
    (inside / "facts.yaml").unlink()
    shutil.copy(FOLDER / "facts.yaml", inside)
    (inside / "facts.jsonl").symlink_to(FOLDER / "facts.jsonl")
    with pytest.raises(UsageError, match="leads out of the folder"):
        load_task(f"lm_eval:hydro_facts@{inside}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lm_eval:", "write lm_eval:NAME"),
        ("lm_eval:no_such_task_anywhere", "has no task"),
        ("lm_eval:mmlu_abstract", "did you mean mmlu_abstract_algebra"),
        ("lm_eval:arc@/nowhere", "is not a folder"),
        (named("nothing"), "it has hydro_choices, hydro_endings, hydro_facts, hydro_group"),
        (named("hydro_sums", "?shots=many"), "options are shots, chat, metric and filter"),
        (named("hydro_sums", "?colour=red"), "options are shots, chat, metric and filter"),
        (named("hydro_sums", "?filter=none"), "it has strict, flexible"),
        (named("hydro_endings", "?metric=bleu"), "it has perplexity, acc"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_task(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_document_says_what_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[2]
    monkeypatch.chdir(root)
    failed, attempted = doctest.testfile(
        str(root / "docs" / "lm-eval.md"),
        module_relative=False,
        globs={"folder": tmp_path},
        optionflags=doctest.ELLIPSIS,
    )
    assert (failed, attempted >= 5) == (0, True)

"""Make the logs that the readers are tested on, with the harnesses themselves and without a network.

Runs lm-eval 0.4.13 and inspect-ai 0.3.285 with scripted answers, and writes small logs without names of machines,
users and folders to `tests/fixtures/logs`. The harnesses are no dependency of this project: run it in an
environment of its own that has both, `python tools/make_log_fixtures.py`.
"""

# ruff: noqa: ARG001, ARG002, D103, FBT002, PLC0415, PLR0913, S311, SIM905

from __future__ import annotations

import getpass
import json
import os
import random
import re
import shutil
import socket
import sys
import tempfile
import zipfile
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "logs"
CAPITALS = "Oslo Rome Lima Cairo Paris Tunis Quito Doha Riga Baku Kiev Bern".split()
LARGEST = 60_000
STAMP = "2026-01-02T03-04-05.678901"

# Environment and identities of whoever ran the harness; no reader looks at them.
PRIVATE = (
    "pretty_env_info",
    "git_hash",
    "date",
    "start_time",
    "end_time",
    "total_evaluation_time_seconds",
    "revision",
    "task_file",
    "traceback",
    "traceback_ansi",
    "events",
    "events_data",
    "location",
    "upper_git_hash",
)

CAPITALS_TASK = """
task: capitals
dataset_path: json
dataset_kwargs: {data_files: {test: %(data)s/capitals.jsonl, train: %(data)s/shots.jsonl}}
test_split: test
training_split: train
fewshot_split: train
output_type: multiple_choice
doc_to_text: "Q: {{question}}\\nA:"
doc_to_choice: "{{choices}}"
doc_to_target: "{{answer}}"
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
metadata: {version: 1.0}
"""

SUMS_TASK = """
task: sums
dataset_path: json
dataset_kwargs: {data_files: {test: %(data)s/sums.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}} End with #### and the number."
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["\\n\\n"], do_sample: false, temperature: 0.0}
filter_list:
  - {name: strict-match, filter: [{function: regex, regex_pattern: "#### (-?[0-9]+)"}, {function: take_first}]}
  - name: flexible-extract
    filter: [{function: regex, group_select: -1, regex_pattern: "(-?[0-9]+)"}, {function: take_first}]
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
metadata: {version: 2.0}
"""


def main() -> int:
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        make_lm_eval(work / "lm")
        make_inspect(work / "inspect")
    for path in sorted(TARGET.rglob("*")):
        if path.is_file():
            check(path)
            print(f"{path.stat().st_size:7} {path.relative_to(TARGET)}")
    return 0


def check(path: Path) -> None:
    """Refuse a file that is large or still names where it was made."""
    if path.stat().st_size > LARGEST:
        sys.exit(f"{path}: {path.stat().st_size} bytes, at most {LARGEST}")
    texts = [path.read_bytes()]
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            texts = [archive.read(name) for name in archive.namelist()]
    for secret in {
        socket.gethostname(),
        getpass.getuser(),
        str(Path.home()),
        tempfile.gettempdir(),
        sys.prefix,
    }:
        if any(re.search(rb"\b" + re.escape(secret.encode()) + rb"\b", text) for text in texts):
            sys.exit(f"{path}: names {secret!r}")


def cleaned(value: object, folder: Path) -> object:
    """A JSON value without what is private, and with the working folder called `data`."""
    if isinstance(value, dict):
        return {k: cleaned(v, folder) for k, v in value.items() if k not in PRIVATE}
    if isinstance(value, list):
        return [cleaned(v, folder) for v in value]
    return value.replace(str(folder), "data") if isinstance(value, str) else value


# lm-eval


def make_lm_eval(work: Path) -> None:
    import datasets
    from lm_eval.tasks import TaskManager

    datasets.disable_progress_bars()
    work.mkdir()
    write_data(work)
    for name, text in (("capitals", CAPITALS_TASK), ("sums", SUMS_TASK)):
        (work / f"{name}.yaml").write_text(text % {"data": work}, encoding="utf-8")
    manager = TaskManager(include_path=str(work), include_defaults=False)
    run_lm_eval(work, manager, "base", seed=1, skill=0.85)
    run_lm_eval(work, manager, "student", seed=2, skill=0.5)
    run_lm_eval(work, manager, "student-chat", seed=2, skill=0.5, chat=True, tasks=["capitals"])
    run_lm_eval(work, manager, "student-shots", seed=2, skill=0.5, shots=2, tasks=["capitals"], limit=8)


def write_data(work: Path) -> None:
    rng = random.Random(0)
    docs = [
        {"question": f"Which one is number {n}?", "choices": rng.sample(CAPITALS, 3), "answer": n % 3}
        for n in range(20)
    ]
    docs.append(docs[4])  # one question twice, as in many a public set
    sums = [{"question": f"What is {n} + {3 * n}?", "answer": str(4 * n)} for n in range(5, 25)]
    for name, rows in (("capitals", docs), ("shots", docs[:3]), ("sums", sums)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (work / f"{name}.jsonl").write_text(text, encoding="utf-8")


def scripted(seed: int, skill: float):
    """A model that knows a share of the answers, and now and then forgets the format."""
    from lm_eval.api.model import LM

    class Scripted(LM):
        tokenizer_name = "scripted"

        def _knows(self, text: str) -> bool:
            return random.Random(f"{seed} {text}").random() < skill

        def loglikelihood(self, requests, disable_tqdm=False):
            found = []
            for request in requests:
                doc, choice = request.doc, request.arguments[1].strip()
                right = (doc["choices"][doc["answer"]] == choice) == self._knows(doc["question"])
                found.append((-0.5 - len(choice) / 100 if right else -2.0 - len(choice) / 10, False))
            return found

        def generate_until(self, requests, disable_tqdm=False):
            replies = []
            for request in requests:
                question, answer = request.doc["question"], int(request.doc["answer"])
                number = answer if self._knows(question) else answer + 1
                marked = random.Random(f"{seed} format {question}").random() < 0.8
                replies.append(f"It is #### {number}" if marked else "I cannot say")
            return replies

        def loglikelihood_rolling(self, requests, disable_tqdm=False):
            raise NotImplementedError

        def chat_template(self, chat_template=False):
            return "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}"

        def apply_chat_template(self, chat_history, add_generation_prompt=True):
            return "".join(f"<|{m['role']}|>{m['content']}" for m in chat_history)

    return Scripted()


def run_lm_eval(
    work, manager, name, *, seed, skill, chat=False, shots=None, limit=None, tasks=("capitals", "sums")
):
    from lm_eval.evaluator import simple_evaluate
    from lm_eval.loggers import EvaluationTracker

    tracker = EvaluationTracker(output_path=str(work / "out"))
    results = simple_evaluate(
        model=scripted(seed, skill),
        model_args=f"pretrained={name}",
        tasks=list(tasks),
        num_fewshot=shots,
        limit=limit,
        apply_chat_template=chat,
        task_manager=manager,
        evaluation_tracker=tracker,
        bootstrap_iters=0,
        log_samples=True,
    )
    samples = results.pop("samples")
    tracker.general_config_tracker.model_name = tracker.general_config_tracker.model_name_sanitized = name
    tracker.save_results_aggregated(results=results, samples=samples)
    for task in results["configs"]:
        tracker.save_results_samples(task_name=task, samples=samples[task])
    for path in sorted((work / "out" / name).iterdir()):
        target = TARGET / "lm_eval" / name / path.name.replace(tracker.date_id, STAMP)
        target.parent.mkdir(parents=True, exist_ok=True)
        records = path.read_text(encoding="utf-8")
        whole = path.suffix == ".json"
        values = [json.loads(records)] if whole else [json.loads(line) for line in records.splitlines()]
        text = "\n".join(
            json.dumps(cleaned(value, work), ensure_ascii=False, indent=2 if whole else None)
            for value in values
        )
        target.write_text(text + "\n", encoding="utf-8")


# Inspect


def make_inspect(work: Path) -> None:
    work.mkdir()
    os.environ["INSPECT_DISPLAY"] = "none"
    os.chdir(work)
    for name, seed, skill in (("base", 1, 0.9), ("student", 2, 0.5)):
        run_inspect(work, f"sums_{name}.eval", name, seed, skill)
        run_inspect(work, f"sums_{name}.json", name, seed, skill)
        run_inspect(work, f"two_scorers_{name}.eval", name, seed, skill, scorers=2)
        run_inspect(work, f"epochs_{name}.eval", name, seed, skill, epochs=3)
    run_inspect(work, "errors_student.eval", "student", 2, 0.5, broken=True)
    target = TARGET / "inspect"
    repack(
        target / "sums_student.eval", target / "crashed_student.eval", drop=("header.json", "summaries.json")
    )
    repack(target / "sums_base.eval", target / "deflate_base.eval", method=zipfile.ZIP_DEFLATED)


def run_inspect(work, name, model, seed, skill, *, scorers=1, epochs=1, broken=False):
    from inspect_ai import Task
    from inspect_ai import eval as run
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import ModelOutput, ModelUsage, get_model
    from inspect_ai.scorer import includes, match
    from inspect_ai.solver import generate, solver

    @solver
    def stumble():
        async def solve(state, generate):
            if broken and state.sample_id in (3, 7):
                msg = "no reply"
                raise RuntimeError(msg)
            return state

        return solve

    samples = [Sample(input=f"What is {n} + {2 * n}?", target=str(3 * n), id=n) for n in range(1, 13)]

    def answer(messages, *_):
        count = int(re.search(r"is (\d+) ", messages[-1].text)[1])
        rng = random.Random(f"{seed} {count} {random.random() if epochs > 1 else ''}")
        text = f"{3 * count}" if rng.random() < skill else f"{3 * count + 1}"
        output = ModelOutput.from_content(model, text)
        output.usage = ModelUsage(input_tokens=9, output_tokens=2, total_tokens=11)
        return output

    random.seed(seed)
    task = Task(
        dataset=MemoryDataset(samples, name="sums"),
        name="sums",
        solver=[stumble(), generate()],
        scorer=[match(), includes()] if scorers == 2 else match(),
        epochs=epochs,
        fail_on_error=False,
    )
    kind = name.rsplit(".", 1)[-1]
    log = run(
        task,
        model=get_model(f"mockllm/{model}", custom_outputs=answer),
        log_dir=str(work / name),
        log_format=kind,
        log_realtime=False,
    )[0]
    path = Path(re.sub("^file://", "", log.location))
    target = TARGET / "inspect" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if kind == "json":
        value = cleaned(json.loads(path.read_text(encoding="utf-8")), work)
        target.write_text(json.dumps(value, indent=2), encoding="utf-8")
    else:
        repack(path, target, folder=work)


def repack(source: Path, target: Path, *, drop=(), method=None, folder=Path("/nowhere")) -> None:
    """Copy an archive member by member, cleaned, with the compression it had or another one."""
    import zipfile_zstd  # noqa: F401 - teaches zipfile method 93

    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            if info.filename not in drop:
                value = cleaned(json.loads(old.read(info)), folder)
                member = zipfile.ZipInfo(info.filename, (2026, 1, 2, 3, 4, 6))
                new.writestr(
                    member, json.dumps(value), compress_type=info.compress_type if method is None else method
                )


if __name__ == "__main__":
    sys.exit(main())

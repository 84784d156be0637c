"""Further faces of a report: Markdown for a model card, JUnit for continuous integration, a badge, and hub metadata.

Each is a pure function that returns the text of one file. Names of models and capabilities are foreign text: every face
escapes them in its own way.
"""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree as ET

import yaml
from huggingface_hub import EvalResult
from huggingface_hub.repocard_data import eval_results_to_model_index

from hydrometer.report import words
from hydrometer.report.build import build_view
from hydrometer.report.templating import templates
from hydrometer.report.view import CapabilityRow
from hydrometer.result import AuditResult
from hydrometer.version import __version__

_COLOURS = {
    "better": "#1a7f37",
    "worse": "#b3261e",
    "equivalent": "#0b57d0",
    "not-enough": "#7a5900",
    "invalid": "#6b2fa0",
}
"""White text on each reaches a contrast of 4.5 (WCAG AA)."""
_NO_BENCHMARK = (
    "# In the form of https://huggingface.co/docs/hub/eval-results. The hub lists registered benchmarks only;\n"
    "# a suite of Hydrometer is none, so these are for readers of this repository and for `hydrometer claims`.\n"
)
_LETTER = 6.6
"""Mean width of a letter of an 11 px sans serif; the badge stretches its text to the room that was reckoned."""


def markdown(result: AuditResult) -> str:
    """Return a section for a model card: the verdict, a line per capability, the price, and how to check it."""
    template = templates(escaped=False).get_template("card.md.j2")
    return template.render(view=build_view(result), version=__version__)


def junit(result: AuditResult) -> str:
    """Return JUnit XML with a test case per capability.

    Worse is a failure, not enough evidence is skipped, and a setup that is not comparable is an error: a consumer of
    JUnit knows no fourth state.
    """
    view = build_view(result)
    suite = ET.Element("testsuite", name=f"hydrometer: {view.title}", time=f"{result.seconds:.3f}")
    if not view.capabilities:
        case = ET.SubElement(suite, "testcase", name="setup", classname="hydrometer")
        ET.SubElement(case, "error", message=view.headline)
    for row in view.capabilities:
        _case(suite, row)
    kinds = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    suite.set("tests", str(len(suite)))
    for name, tag in kinds.items():
        suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def badge(result: AuditResult) -> str:
    """Return an SVG badge: what was compared with and the overall verdict, in a word and a symbol."""
    view = build_view(result)
    left, right = f"vs {view.base_label[:40]}", f"{view.badge.symbol} {view.badge.label}"
    widths = [round(len(text) * _LETTER) + 12 for text in (left, right)]
    return (
        templates()
        .get_template("badge.svg.j2")
        .render(
            left=left,
            right=right,
            widths=widths,
            colour=_COLOURS[view.badge.kind],
            title=f"{view.title}: {view.badge.label}",
        )
    )


def model_index(result: AuditResult) -> str:
    """Return `model-index` metadata for the front matter of the student's card, as YAML.

    One entry per capability with the student's score, its verdict and the interval in words, so that no number travels
    without what it means.
    """
    entries = [
        EvalResult(
            task_type="text-generation",
            task_name=row.capability.replace("_", " "),
            dataset_type="hydrometer",
            dataset_name=f"Hydrometer {result.spec.suite}: {', '.join(row.tasks)}",
            dataset_args={
                "seed": result.spec.seed,
                "pairs": row.estimate.n,
                "base": result.base.identity.label,
                "base_score": round(row.estimate.base, 4),
                "difference": round(row.estimate.difference, 4),
                "interval": [round(row.estimate.low, 4), round(row.estimate.high, 4)],
                "verdict": row.verdict.value,
            },
            metric_type="accuracy",
            metric_value=round(row.estimate.student, 4),
        )
        for row in result.capabilities
        if row.estimate.n
    ]
    index = eval_results_to_model_index(result.student.identity.label, entries)
    return yaml.safe_dump({"model-index": index}, sort_keys=False, allow_unicode=True)


def eval_results(result: AuditResult) -> str:
    """Return `.eval_results/*.yaml` of the student's repository, as the hub reads it.

    The hub shows an entry where its dataset is a benchmark on its list (https://huggingface.co/docs/hub/eval-results).
    The suites here are none, and naming one that is would claim a score that was not measured: an audit asks some
    items, made by its own tasks or chosen by a look, and not that benchmark. So the file has the hub's form and says of
    itself that it is for readers and for `hydrometer claims`. What a score means stands in the notes.
    """
    entries = [
        {
            "dataset": {"id": f"hydrometer/{result.spec.suite}", "task_id": row.capability.replace(" ", "_")},
            "value": round(100 * row.estimate.student, 2),
            "date": result.created,
            "notes": (
                f"accuracy in %, {row.estimate.n} pairs; against its base "
                f"{result.base.identity.label} at {100 * row.estimate.base:.2f} %: {row.verdict.value}, difference "
                f"{words.points(row.estimate.difference)} "
                f"{words.interval(row.estimate.low, row.estimate.high)} points, margin "
                f"{words.margin_words(result.spec.margin)}; hydrometer {__version__}"
            ),
        }
        for row in result.capabilities
        if row.estimate.n
    ]
    return _NO_BENCHMARK + yaml.safe_dump(entries, sort_keys=False, allow_unicode=True)


FACES: dict[str, tuple[str, Callable[[AuditResult], str]]] = {
    "markdown": ("report.md", markdown),
    "junit": ("junit.xml", junit),
    "badge": ("badge.svg", badge),
    "model-index": ("model-index.yaml", model_index),
    "eval-results": (".eval_results/hydrometer.yaml", eval_results),
}
"""Name of a face to its file and its maker."""


def _case(suite: ET.Element, row: CapabilityRow) -> None:
    case = ET.SubElement(suite, "testcase", name=row.name, classname="hydrometer")
    if row.badge.kind == "worse":
        failure = ET.SubElement(case, "failure", type="worse", message=row.sentence)
        failure.text = f"base {row.base} %, student {row.student} %, {row.difference} {row.interval} points"
    elif row.badge.kind == "not-enough":
        ET.SubElement(case, "skipped", message=row.sentence)
    elif row.badge.kind == "invalid":
        ET.SubElement(case, "error", message=row.sentence)
    else:
        ET.SubElement(case, "system-out").text = row.sentence

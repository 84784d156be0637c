from __future__ import annotations

from pathlib import Path

import pytest

from hydrometer.logs.base import Columns, Log, LogError, Scale
from hydrometer.logs.reading import read_log


def read(tmp_path: Path, text: str | bytes, columns: Columns | None = None, scale: Scale | None = None) -> Log:
    path = tmp_path / "table.txt"  # the name says nothing: the content decides
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_log(path, columns=columns, scale=scale)


def means(log: Log) -> dict[str, dict[str, float | None]]:
    return {name: {key: t.mean for key, t in task.items.items()} for name, task in log.tasks.items()}


@pytest.mark.parametrize(
    "text",
    [
        "item,score\na,1\nb,0.5\nc,\n",
        "item;score\r\na;true\r\nb;0.5\r\nc;null\r\n",
        "note\titem\tscore\nx,y\ta\t1\n\tb\t.5\n\n\tc\t \n",
        "\ufeffitem,score\na,1\nb,0.5\nc,None",
        '{"item": "a", "score": 1}\n\n{"item": "b", "score": 0.5}\n{"item": "c", "score": null}',
        '\ufeff{"item": "a", "score": true}\n{"item": "b", "score": "0.5"}\n{"item": "c", "score": ""}\n',
    ],
)
def test_every_form_of_a_table_reads_alike(tmp_path: Path, text: str) -> None:
    assert means(read(tmp_path, text)) == {"": {"a": 1.0, "b": 0.5, "c": None}}


def test_tasks_and_chosen_columns(tmp_path: Path) -> None:
    text = "id,task,capability,right\n1,t,math,1\n1,t,logic,0\n2,t,math,0\n"
    got = read(tmp_path, text, Columns(item="id", score="right"))
    assert means(got) == {"math": {"1": 1.0, "2": 0.0}, "logic": {"1": 0.0}}
    got = read(tmp_path, text.replace("2,t", "2,u").replace("1,0", "1,1"), Columns(item="capability", score="right", task="task"))
    assert means(got)["u"] == {"math": 0.0}


def test_a_declared_range_is_brought_to_one(tmp_path: Path) -> None:
    text = "item,score\na,1\nb,10\nc,5.5\n"
    assert means(read(tmp_path, text, scale=Scale(worst=1, best=10)))[""] == {"a": 0.0, "b": 1.0, "c": 0.5}
    assert means(read(tmp_path, text, scale=Scale(worst=10, best=1)))[""] == {"a": 1.0, "b": 0.0, "c": 0.5}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        (" \n ", "is empty"),
        ("item,score\n", "holds no scored item"),
        ("item,score\na,\nb,\n", "not one score"),
        ("item,score\na,1\na,1\n", "line 3: item 'a' stands there a second time"),
        ("item,score\na,1\nb,NaN\n", "line 3: score nan is not a finite number"),
        ("item,score\na,-inf\n", "line 2: score -inf is not a finite number"),
        ("item,score\na,ok\n", "line 2: score 'ok' is not a number"),
        ("item,score\na,1.5\n", "line 2: score 1.5 lies outside 0..1: give the range"),
        ("item,score\na,-0.1\n", "outside 0..1"),
        ("item,score\na\n", "line 2: 1 cells, the headings are 2"),
        ("item,score\na,1,2\n", "line 2: 3 cells"),
        ("item,score\n,1\n", "line 2: item '' names no item"),
        ("item,item,score\na,b,1\n", "a heading stands there twice"),
        ("item,grade\na,1\n", "no score column 'score': the columns are 'item', 'grade'"),
        ("name,score\na,1\n", "no item column 'item'"),
        ('item,score\n"a,1\n', "not a readable CSV table"),
        (b"item,score\n\xff\xfe,1\n", "not UTF-8 text"),
        (b"\xff\xfei\x00t\x00", "not UTF-8"),
        ('{"item": "a", "score": 1}\n{"item": "b", "sc', "line 2: not a complete JSON object"),
        ('{"item": "a", "sc', "line 1: not a complete JSON object"),
        ('{"item": "a", "score": 1}\n[1]\n', "line 2: list where an object was expected"),
        ('{"item": "a", "score": 1}\n{"item": "b"}\n', "no score column 'score'"),
        ('{"item": 1.5, "score": 1}\n', "names no item"),
        ('{"item": "a", "score": [1]}\n', "line 1: score '[1]' is not a number"),
        ('{"item": "a", "score": NaN}\n', "line 1: score nan is not a finite number"),
        ('{"item": "a", "task": 3, "score": 1}\n', "line 1: task 3 names no task"),
        ('[{"item": "a", "score": 1}]', "one JSON list"),
    ],
)  # fmt: skip
def test_bad_tables_are_refused_in_one_line(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(LogError) as error:
        read(tmp_path, text)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("ends", [(1.0, 1.0), (float("nan"), 1.0), (0.0, float("inf"))])
def test_a_range_without_extent_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(LogError, match="two different finite numbers"):
        Scale(worst=ends[0], best=ends[1])


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no such file"):
        read_log(tmp_path / "none.csv")
    with pytest.raises(LogError, match=r"no samples_\*.jsonl"):
        read_log(tmp_path)

"""From the text of a model card to its claims: front matter, Markdown and HTML tables, sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from hydrometer.checkpoint.cards import listed, split_card
from hydrometer.claims.benchmarks import find_mentions
from hydrometer.claims.facts import licence_key, lineage_in, named_bases
from hydrometer.claims.model import Card, Claim, ClaimKind, Unread
from hydrometer.claims.names import SIZED, Names
from hydrometer.claims.sentences import claims_in
from hydrometer.claims.tables import claims_of_table

_TITLE = re.compile(r"^# (?P<title>.{1,200})$", re.MULTILINE)


def read_card(text: str, source: str) -> Card:
    """Return the claims of a card.

    Args:
        text: The card, Markdown with or without front matter.
        source: Where it came from, for the report.

    Raises:
        CardError: It is no card: too long, or its front matter cannot be read.
    """
    card = split_card(text, source)
    data = dict(card.front)
    reader = _Reader(_names(data, source, card.body), card.offset)
    reader.read(card.body)
    claims = [*_metadata(data), *reader.claims]
    # What is said of the model as a whole is claimed once, however often the text speaks of it.
    unique: dict[tuple[object, ...], Claim] = {}
    for claim in claims:
        known = unique.setdefault(_identity(claim), claim)
        if claim.kind is ClaimKind.METHOD and known.value is None and claim.value is not None:
            unique[_identity(claim)] = claim  # the mention that tells the rank stands
    return Card(source=source, claims=tuple(unique.values()), unread=tuple(reader.unread))


def _identity(claim: Claim) -> tuple[object, ...]:
    """What makes two claims the same one; the numbers of two lines are two claims, for one may contradict the other."""
    if claim.kind is ClaimKind.METHOD:
        return claim.kind, claim.subject
    if claim.kind is ClaimKind.LINEAGE:
        return claim.kind, claim.subject.rpartition("/")[2].lower()
    if claim.kind in {ClaimKind.SCORE, ClaimKind.DIFFERENCE}:
        return claim.kind, claim.subject, claim.value, claim.of, claim.line
    return claim.kind, claim.subject.lower(), claim.value, claim.of


class _Reader:
    """Walks over the blocks of a card."""

    def __init__(self, names: Names, offset: int) -> None:
        self.names, self.offset = names, offset
        self.claims: list[Claim] = []
        self.unread: list[Unread] = []
        self.context: list[str] = []
        self.heading = ""

    def read(self, body: str) -> None:
        tokens = MarkdownIt("commonmark").enable("table").parse(body)
        position = 0
        while position < len(tokens):
            token = tokens[position]
            if token.type == "table_open":
                end = next(i for i in range(position, len(tokens)) if tokens[i].type == "table_close")
                self._table(*_cells(tokens[position:end], self.offset))
                position = end
            elif token.type == "html_block":
                self._html(token)
            elif token.type == "inline":
                self._inline(token, heading=tokens[position - 1].type == "heading_open")
            position += 1

    def _inline(self, token: Token, *, heading: bool) -> None:
        line = self.offset + (token.map[0] if token.map else 0) + 1
        for child in token.children or ():
            if child.type == "image":
                words = f"{child.content} {child.attrs.get('src', '')}"
                if re.search(r"bench|eval|score|result|chart|compar|leaderboard", words, re.IGNORECASE):
                    self.unread.append(
                        Unread(line=line, quote=words.strip()[:300], reason="an image: its numbers cannot be read")
                    )
        text = _plain(token)
        self.context = [text] if heading else [*self.context[-2:], text]
        if heading:
            named = {mention.subject for mention in find_mentions(text) if mention.benchmark}
            self.heading = named.pop() if len(named) == 1 else ""
            self.claims += [replace(claim, line=line, quote=text[:300]) for claim in lineage_in(text, self.names)]
        else:
            self.claims += claims_in(text, line, self.names, self.heading)

    def _html(self, token: Token) -> None:
        line = self.offset + (token.map[0] if token.map else 0) + 1
        parser = _Html()
        parser.feed(token.content)
        parser.close()
        for rows in parser.tables:
            self._table(rows, [line] * len(rows))
        if parser.merged:
            self.unread.append(
                Unread(line=line, quote="<table>", reason="merged cells: their columns cannot be told apart")
            )
        if parser.text.strip():
            self.claims += claims_in(parser.text.strip(), line, self.names, self.heading)

    def _table(self, rows: list[list[str]], lines: list[int]) -> None:
        claims, unread = claims_of_table(rows, lines, self.names, " ".join(self.context[-2:]), self.heading, self.context[-1] if self.context else "")
        self.claims += claims
        self.unread += unread
        if claims or unread:
            return
        # Not a table of scores: a list of facts, each row a sentence.
        for row, line in zip(rows[1:], lines[1:], strict=True):
            self.claims += claims_in(": ".join(cell for cell in row if cell), line, self.names)


class _Html(HTMLParser):
    """Tables and text of a block of HTML; scripts and styles are left out."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[list[list[str]]] = []
        self.text, self.merged = "", False
        self._cell: list[str] | None = None
        self._silent = 0
        self._spans = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in {"script", "style"}
        if tag == "table":
            self.tables.append([])
            self._spans = False
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        elif tag in {"td", "th"} and self.tables and self.tables[-1]:
            self._cell = []
            self._spans |= any(name in {"rowspan", "colspan"} and value not in {None, "1"} for name, value in attrs)

    def handle_endtag(self, tag: str) -> None:
        self._silent = max(0, self._silent - (tag in {"script", "style"}))
        if tag in {"td", "th"} and self._cell is not None and self.tables and self.tables[-1]:
            self.tables[-1][-1].append(" ".join("".join(self._cell).split()))
            self._cell = None
        elif tag == "table" and self.tables and self._spans:
            self.tables.pop()
            self.merged = True
        elif tag in {"p", "div", "li", "br"}:
            self.text += "\f"

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if self._cell is not None:
            self._cell.append(data)
        elif not self.tables:
            self.text += data


def _cells(tokens: list[Token], offset: int) -> tuple[list[list[str]], list[int]]:
    rows: list[list[str]] = []
    lines: list[int] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
            lines.append(offset + (token.map[0] if token.map else 0) + 1)
        elif token.type == "inline" and rows:
            rows[-1].append(" ".join(_plain(token).split()))
    return rows, lines


def _plain(token: Token) -> str:
    """The words of an inline token: links by their text, code spans kept, images left out."""
    parts = []
    for child in token.children or ():
        if child.type in {"text", "code_inline"}:
            parts.append(child.content)
        elif child.type == "softbreak":
            parts.append("\n")
        elif child.type == "hardbreak":
            parts.append("\f\n")
        elif child.type == "html_inline" and child.content.lower().startswith("<br"):
            parts.append(" ")
    return "".join(parts)


def _names(data: dict[str, Any], source: str, body: str) -> Names:
    """Names of both models: from the front matter, else from the title and from what the text says it was made from."""
    named = [str(_mapping(row).get("name") or "") for row in listed(data.get("model-index"))]
    title = _TITLE.search(body[:20_000])
    called = re.match(rf"\W*(?P<name>{SIZED.pattern})", title["title"]) if title else None
    student = (*named, source.rstrip("/").rpartition("/")[2], *([called["name"]] if called else []))
    bases = tuple(str(name).rpartition("/")[2] for name in listed(data.get("base_model"))) or named_bases(body[:200_000], student)
    return Names(student=tuple(name for name in student if name not in bases), base=bases)


def _metadata(data: dict[str, Any]) -> Iterator[Claim]:
    """Claims of the front matter: lineage, licence, datasets, and the scores of `model-index`."""
    relation = str(data.get("base_model_relation") or "")
    for name in listed(data.get("base_model")):
        if not isinstance(name, str):
            continue
        yield Claim(
            kind=ClaimKind.LINEAGE, subject=str(name)[:200], settings={"relation": relation} if relation else {},
            line=1, quote=f"base_model: {name}"[:300],
        )  # fmt: skip
    for name in listed(data.get("license"))[:1]:
        if isinstance(name, str) and name.strip():
            yield Claim(kind=ClaimKind.LICENCE, subject=licence_key(name)[:200], line=1, quote=f"license: {name}"[:300])
    for name in listed(data.get("datasets")):
        if isinstance(name, str):
            yield Claim(kind=ClaimKind.DATA, subject=name[:200], line=1, quote=f"datasets: {name}"[:300])
    for model in listed(data.get("model-index")):
        for result in listed(_mapping(model).get("results")):
            yield from _indexed(_mapping(result))


def _indexed(result: dict[Any, Any]) -> Iterator[Claim]:
    dataset = _mapping(result.get("dataset"))
    names = f"{dataset.get('name') or ''} {dataset.get('type') or ''}"
    subject = next((mention.subject for mention in find_mentions(names) if mention.benchmark), "")
    for metric in listed(result.get("metrics")):
        value = _mapping(metric).get("value")
        if subject and isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100:
            share = value if 0 < value <= 1 and isinstance(value, float) else value / 100
            yield Claim(
                kind=ClaimKind.SCORE, subject=subject, value=float(share),
                digits=max(0, len(str(value).partition(".")[2]) - (2 if share == value else 0)),
                settings={str(k): str(v) for k, v in _mapping(dataset.get("args")).items()},
                line=1, quote=f"model-index: {names.strip()} {value}"[:300],
            )  # fmt: skip


def _mapping(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}

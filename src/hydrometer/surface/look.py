"""Everything around the weights of a pair, compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hydrometer.canon import digest_text
from hydrometer.checkpoint.readings import SPECIAL
from hydrometer.errors import ModelError
from hydrometer.surface.answers import Risk, Topic
from hydrometer.surface.files import SurfaceFiles
from hydrometer.surface.licence import compare_licences
from hydrometer.surface.recipe import find_risks, recipe_topic
from hydrometer.surface.rendering import Rendered, render_fixtures
from hydrometer.surface.settings import compare_settings
from hydrometer.surface.template import TemplateSide, compare_named, compare_templates, turn_end
from hydrometer.surface.templates import DEFAULT
from hydrometer.surface.tokenizer import compare_tokenizers

NOT_READ = "a quick look does not read tokenizers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """What stands around the weights of a pair.

    Attributes:
        topics: What was asked, with the answers.
        risks: What the recipe names that went wrong for others.
        remarks: What could not be read, one line each.
        unsafe: Sides, `base` and `student`, whose default chat template must not be rendered.
        tokens: Token -> number, where both have the same.
    """

    topics: tuple[Topic, ...]
    risks: tuple[Risk, ...]
    remarks: tuple[str, ...]
    unsafe: tuple[str, ...] = ()
    tokens: Mapping[str, int] = field(default_factory=dict, repr=False)


def look_at_surface(
    base: SurfaceFiles, student: SurfaceFiles, *, dtypes: tuple[str, str], quick: bool = False
) -> Surface:
    """Compare everything around the weights of a pair.

    Args:
        base: The files of the base.
        student: The files of the student.
        dtypes: Format that holds most of the numbers of each.
        quick: Whether the tokenizers were left out.
    """
    known: dict[str, Rendered] = {}
    ours, theirs = _render_all(base, known), _render_all(student, known)
    tokenizer = compare_tokenizers(
        base.vocabulary, student.vocabulary, config=student.tokenizer_config, reason=NOT_READ if quick else ""
    )
    tables = [side.vocabulary.ids if side.vocabulary else {} for side in (base, student)]
    settings = compare_settings(
        base.settings(tables[0] or tables[1], dtypes[0], ours.turn_end),
        student.settings(tables[1] or tables[0], dtypes[1], theirs.turn_end),
    )
    risks = tuple(find_risks(base, student))
    templates = _templates(base, student, ours, theirs)
    topics = (tokenizer, *templates, settings, compare_licences(base, student), recipe_topic(student, risks))
    remarks = tuple(f"{side.label}: {remark}" for side in (base, student) for remark in side.remarks)
    tokens = {token: tables[1][token] for token in SPECIAL if token in tables[1]}
    tokens = {token: number for token, number in tokens.items() if tables[0].get(token, number) == number}
    unsafe = tuple(name for name, side in (("base", ours), ("student", theirs)) if side.unsafe)
    return Surface(topics=topics, risks=risks, remarks=remarks, unsafe=unsafe, tokens=tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """What the templates of one model render, up to the first that does harm: `harm` says which and how."""

    rendered: Mapping[str, Rendered]
    harm: str = ""
    unsafe: bool = False

    @property
    def default(self) -> Rendered | None:
        return self.rendered.get(DEFAULT)

    @property
    def turn_end(self) -> str:
        return turn_end(self.default) if self.default else ""


def _render_all(files: SurfaceFiles, known: dict[str, Rendered]) -> _Shown:
    """Render every template; one that is known already, with the tokens that it may name, is not rendered again."""
    rendered: dict[str, Rendered] = {}
    for template in files.templates:
        key = digest_text(repr((template.source.strip(), sorted(files.special.items()))))
        try:
            if key not in known:
                label = f"{files.label}: the chat template {template.file}"
                known[key] = render_fixtures(template.source, files.special, label)
        except ModelError as error:
            return _Shown(rendered=rendered, harm=str(error), unsafe=template.name == DEFAULT)
        rendered[template.name] = known[key]
    return _Shown(rendered=rendered)


def _templates(base: SurfaceFiles, student: SurfaceFiles, ours: _Shown, theirs: _Shown) -> Iterator[Topic]:
    harms = [side.harm for side in (ours, theirs) if side.harm]
    if harms:
        yield Topic(name="template safety", answer="unsafe", text="; ".join(harms))
    if ours.unsafe or theirs.unsafe:
        text = "not compared, as one of the two does harm when it is rendered"
        yield Topic(name="template", answer="not testable from files", text=text)
    else:
        named = [] if harms else [*compare_named(ours.rendered, theirs.rendered)]
        yield compare_templates(_side(base, ours.default), _side(student, theirs.default), named)


def _side(files: SurfaceFiles, rendered: Rendered | None) -> TemplateSide:
    bos = files.special.get("bos_token", "")
    gguf, folder = "tokenizer.ggml.add_bos_token", "add_bos_token"
    switch = files.config.get(gguf) if files.gguf else files.tokenizer_config.get(folder)
    in_frame = files.vocabulary is not None and files.vocabulary.begins_with(bos)
    return TemplateSide(
        source=files.template,
        rendered=rendered,
        family=files.family,
        bos=bos,
        begins=switch is True or in_frame,
        owner=files.gguf or files.owner,
    )

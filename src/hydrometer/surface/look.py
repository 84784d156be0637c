"""Everything around the weights of a pair, compared."""

from __future__ import annotations

from dataclasses import dataclass

from hydrometer.surface.answers import Risk, Topic
from hydrometer.surface.files import SurfaceFiles, template_digest
from hydrometer.surface.licence import compare_licences
from hydrometer.surface.recipe import find_risks, recipe_topic
from hydrometer.surface.rendering import Rendered, render_fixtures
from hydrometer.surface.settings import compare_settings
from hydrometer.surface.template import TemplateSide, compare_templates, turn_end
from hydrometer.surface.tokenizer import compare_tokenizers

NOT_READ = "a quick look does not read tokenizers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """What stands around the weights of a pair.

    Attributes:
        topics: What was asked, with the answers.
        risks: What the recipe names that went wrong for others.
        remarks: What could not be read, one line each.
    """

    topics: tuple[Topic, ...]
    risks: tuple[Risk, ...]
    remarks: tuple[str, ...]


def look_at_surface(
    base: SurfaceFiles, student: SurfaceFiles, *, dtypes: tuple[str, str], quick: bool = False
) -> Surface:
    """Compare everything around the weights of a pair.

    Args:
        base: The files of the base.
        student: The files of the student.
        dtypes: Format that holds most of the numbers of each.
        quick: Whether the tokenizers were left out.

    Raises:
        ModelError: A chat template is unsafe.
    """
    ours = _render(base)
    same = template_digest(base) == template_digest(student)
    theirs = ours if same else _render(student)
    tokenizer = compare_tokenizers(
        base.vocabulary, student.vocabulary, config=student.tokenizer_config, reason=NOT_READ if quick else ""
    )
    template = compare_templates(_side(base, ours), _side(student, theirs))
    tables = [side.vocabulary.ids if side.vocabulary else {} for side in (base, student)]
    settings = compare_settings(
        base.settings(tables[0] or tables[1], dtypes[0], turn_end(ours) if ours else ""),
        student.settings(tables[1] or tables[0], dtypes[1], turn_end(theirs) if theirs else ""),
    )
    risks = tuple(find_risks(base, student))
    topics = (tokenizer, template, settings, compare_licences(base, student), recipe_topic(student, risks))
    remarks = tuple(f"{side.label}: {remark}" for side in (base, student) for remark in side.remarks)
    return Surface(topics=topics, risks=risks, remarks=remarks)


def _render(files: SurfaceFiles) -> Rendered | None:
    return render_fixtures(files.template, files.special, files.label) if files.template.strip() else None


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

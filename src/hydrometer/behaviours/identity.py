"""What a reply says it is. Style, and never proof of a teacher: models name one another without having met."""

from __future__ import annotations

import re

from hydrometer.behaviours.base import Behaviour, Observed, Sign
from hydrometer.behaviours.segments import shortened, visible
from hydrometer.letters import contains_any

_LOOKED_AT = 3_000
"""Characters at the start; a self-introduction further down is a quotation more often than not."""

_NAMES = (
    r"(?:Claude|ChatGPT|GPT-?\d(?:\.\d)?o?|Qwen(?:\d(?:\.\d)?)?|Tongyi(?: Qianwen)?|DeepSeek(?:-\w{1,6})?"
    r"|Gemini|Gemma|Bard|Llama(?: \d)?"
    r"|LLaMA|Mistral|Mixtral|Kimi|ChatGLM|GLM-?\d|Grok|Copilot|SmolLM\d?|Phi-\d|Ernie|Hunyuan|Doubao|Pi"
    r"|Nova|Command R)"
)
_MAKERS = (
    r"(?:Anthropic|Open ?AI|Google(?: DeepMind)?|DeepMind|DeepSeek|Alibaba(?: Cloud)?|Meta(?: AI)?"
    r"|Mistral(?: AI)?|Moonshot(?: AI)?|Zhipu(?: AI)?"
    r"|xAI|Microsoft|Baidu|Tencent|ByteDance|Hugging ?Face|Cohere|MiniMax|Amazon|Nvidia)"
)
_HINTS = (
    "claude", "gpt", "qwen", "tongyi", "deepseek", "gemini", "gemma", "bard", "llama", "mistral", "mixtral", "kimi", "glm", "grok",
    "copilot", "smollm", "phi-", "ernie", "hunyuan", "doubao", "i'm pi", "nova", "command r", " by ",
)  # fmt: skip
_CHINESE_HINTS = ("千问", "深度求索", "文心", "豆包", "智谱", "由阿里", "由百度")
"""One of all these stands in every claim: most replies hold none, and then no expression is tried."""

_CLAIM = re.compile(
    rf"\b(?:I(?: a|['’])m|my name is|you can call me|as|I(?: a"
    rf"|['’])m called)\s+(?:actually\s+)?({_NAMES})(?![\w-])([^\n]{{0,60}})",
    re.IGNORECASE,
)
_MADE = re.compile(
    rf"\bI(?:(?:['’]m| am| was|['’]ve been| have been)\s+(?:\w+ ){{0,4}}?|[^.\n]{{1,60}}?\b(?:and|,|model"
    rf"|assistant|AI)\s+)"
    rf"(?:made|created|developed|trained|built|designed|released)\s+by\s+(?:the \w+ at\s+"
    rf"|researchers at\s+)?({_MAKERS})\b",
    re.IGNORECASE,
)
_CHINESE = re.compile(
    r"我(?:是|叫)(?:由)?[^。，,\n]{0,12}(通义千问|千问|Qwen|DeepSeek|深度求索|ChatGPT|Claude|Kimi|文心一言|豆包|智谱|ChatGLM)|由(阿里"
    r"|OpenAI|Anthropic|深度求索|百度)[^。\n]{0,8}(?:开发|训练|研发)的"
)
_WHO = re.compile(
    r"who (?:are|made|created|trained|built|developed) you|what (?:are you|model|is your name)"
    r"|which (?:model|ai|company)|your (?:name|creator|maker)"
    r"|introduce yourself|你是谁|are you\b|who you are",
    re.IGNORECASE,
)
_MACHINE = re.compile(
    r"\A,?\s*(?:an? (?:\w+ ){0,3}(?:AI|assistant|model|chatbot|system|LLM)\b|the (?:AI|assistant)|your\b"
    r"|made|created|developed|trained|built|by\b|from\b|here to\b)",
    re.IGNORECASE,
)


def detect(observed: Observed) -> Sign | None:
    """Say whom the reply claims to be, or to come from; a name that the system message gave is none."""
    text = visible(observed)[:_LOOKED_AT]
    low = text.lower()
    if not contains_any(low, _HINTS) and (text.isascii() or not contains_any(low, _CHINESE_HINTS)):
        return None
    for found in _CLAIM.finditer(text):
        if not _given(found[1], observed) and (_MACHINE.match(found[2]) or _WHO.search(observed.asked)):
            return Sign(f"says that it is {found[1]}", shortened(found[0]))
    for pattern in (_MADE, _CHINESE):
        made = pattern.search(text)
        if made:
            name = made[1] or made[made.lastindex or 0]
            if not _given(name, observed):
                return Sign(f"says that it comes from {name}", shortened(made[0]))
    return None


IDENTITY_CLAIM = Behaviour(
    name="identity_claim",
    version=1,
    summary="says which model or maker it is (style, no proof)",
    detect=detect,
    fault=False,
)


def _given(name: str, observed: Observed) -> bool:
    return name.lower() in observed.system.lower()

"""The limited process that renders chat templates for an audit, one conversation after the other.

Started by `templates.apart` as `python -m hydrometer.templates.child BYTES`: it takes conversations from standard input
and answers on standard output, a line of JSON each, until its input ends. What computes too long is ended by the
system, not by a handler that the template could outlast. It imports next to nothing, so that it is up at once.
"""

from __future__ import annotations

import json
import signal
import sys
from typing import Any

from jinja2 import TemplateError

from hydrometer.templates.sandboxed import TooLongError, limit_process, render_chat


def main(memory: int) -> None:
    """Render until the input ends.

    Args:
        memory: Bytes of address space that the process may have.
    """
    limit_process(memory)
    for line in sys.stdin.buffer:
        work = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, work["seconds"])
        answer = json.dumps(render(work)).encode()
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(answer + b"\n")
        sys.stdout.buffer.flush()


def render(work: dict[str, Any]) -> dict[str, str]:
    """Render one conversation.

    Args:
        work: `source`, `messages`, `tools` and `names`, see `render_chat`.

    Returns:
        `text`; or `refused`, why the template cannot render it; or `unsafe`, why it must not be rendered again.
    """
    try:
        text = render_chat(work["source"], work["messages"], tools=work["tools"], names=work["names"])
    except TooLongError as error:
        return {"unsafe": str(error)}
    except MemoryError:
        return {"unsafe": "needs too much memory"}
    except TemplateError as error:
        return {"refused": f"cannot render this conversation: {error}"}
    except Exception as error:  # noqa: BLE001 - a template can raise whatever its operations raise
        return {"refused": f"fails on this conversation: {type(error).__name__}: {error}"}
    return {"text": text}


if __name__ == "__main__":
    main(int(sys.argv[1]))

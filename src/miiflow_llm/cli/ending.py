"""End a command: one line on stderr for what it raised, and an exit code."""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Callable
from typing import Any, ParamSpec

import typer

from ..core.exceptions import ConfigurationError, MiiflowLLMError
from ..core.text import printable

FAILED = 1
"""The provider or the network failed."""
WRONG = 2
"""The command or the configuration is wrong; nothing was sent."""
INTERRUPTED = 130
"""Ctrl-C, as shells count it."""

REMEDIES = (
    (re.compile(r"(\S+): no API key; pass api_key=\.\.\."), r"\1: no API key; use `miiflow-llm keys set \1`"),
    (re.compile(r"pass model=\.\.\. to create\(\) or to \w+(\(\)| call)"), "pass -m PROVIDER:MODEL"),
    (re.compile(r"pass (provider|model)=\.\.\."), "pass -m PROVIDER:MODEL"),
    (re.compile(r"pass (?:base_url|dialect)=\.\.\."), "pass --base-url or --dialect"),
    (re.compile(r"and base_url\b(?!=)"), "and --base-url"),
    (re.compile(r", and register\(\) adds one of your own"), ", and a package can bring one (`miiflow_llm.providers`)"),
    (re.compile(r"extra_body=\{\.\.\.\}"), """--parameters '{"extra_body": {...}}'"""),
)
"""What the library says to do in Python, and what that is on the command line."""

Given = ParamSpec("Given")


def command(function: Callable[Given, Any]) -> Callable[Given, None]:
    """The function as a command: no traceback for what a user can meet. An `int` that it returns is its exit code."""

    @functools.wraps(function)
    def run(*args: Given.args, **kwargs: Given.kwargs) -> None:
        code = _run(lambda: function(*args, **kwargs))
        if code:
            raise typer.Exit(code)

    return run


def _run(step: Callable[[], Any]) -> int:
    try:
        code = step()
        sys.stdout.flush()
    except MiiflowLLMError as error:
        say(line(error))
        return code_of(error)
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code if isinstance(code, int) else 0


def code_of(error: MiiflowLLMError) -> int:
    """The exit code of an error."""
    return WRONG if isinstance(error, ConfigurationError) else FAILED


def line(error: MiiflowLLMError) -> str:
    """The error in one line, with what to do in the command line's words."""
    hint = f"; try again in {error.retry_after:g} s" if error.retry_after else ""
    words = " ".join(f"{type(error).__name__}: {error}{hint}".split())
    for pattern, instead in REMEDIES:
        words = pattern.sub(instead, words)
    return words


def say(text: str) -> None:
    """A line for the person, beside the output."""
    print(f"miiflow-llm: {printable(text)}", file=sys.stderr, flush=True)  # noqa: T201  a command prints

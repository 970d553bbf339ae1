"""Templates of the configuration: what is asked again and again, with places to fill."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..client.config import Config
from ..client.settled import named, settled
from ..core.exceptions import ConfigurationError

INPUT = "input"
"""The place that the prompt fills, and what is piped in."""


class Template(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One template, `[templates.NAME]` in the configuration. What options say stands above it.

    `prompt` and `system` have places: `$input` is the prompt that was given, `$port` is filled by `-p port=Oban` or by
    `defaults`. A `prompt` without `$input` stands above the one that was given. `schema` is a file, the short form or
    a table; `tools`, `attachments` and `parameters` are as the options have them.
    """

    model: str | None = None
    route: str | None = None
    system: str | None = None
    prompt: str | None = None
    schema: str | dict[str, Any] | None = None
    tools: list[str] = []
    attachments: list[str] = []
    parameters: dict[str, Any] = {}
    defaults: dict[str, str] = {}
    extract: bool = False

    def asked(self, given: str | None, places: Mapping[str, str]) -> str | None:
        """The prompt with its places filled; `None` if nothing is asked.

        Raises:
            ConfigurationError: a place has nothing to fill it.
        """
        if self.prompt is None:
            return given
        found = self._filled(self.prompt, {**places, **({} if given is None else {INPUT: given})})
        above = given is not None and INPUT not in string.Template(self.prompt).get_identifiers()
        return f"{found}\n\n{given}" if above else found

    def instructions(self, given: str | None, places: Mapping[str, str]) -> str | None:
        """The system message with its places filled.

        Raises:
            ConfigurationError: a place has nothing to fill it.
        """
        return None if self.system is None else self._filled(self.system, {**places, INPUT: given or ""})

    def _filled(self, text: str, places: Mapping[str, str]) -> str:
        try:
            return string.Template(text).substitute({**self.defaults, **places})
        except KeyError as missing:
            name = missing.args[0]
            what = "give a prompt" if name == INPUT else f"pass -p {name}=VALUE"
            raise ConfigurationError(f"the template has a place ${name} and nothing to fill it: {what}") from None
        except ValueError:
            raise ConfigurationError("the template has a `$` that is not a place: write `$$` for the sign") from None


def template_of(config: Config, name: str) -> Template:
    """The configuration's template of that name.

    Raises:
        ConfigurationError: there is none, or it is wrong.
    """
    return settled(named(config.templates, name, "templates"), Template, f"templates.{name}")


def places_of(pairs: Sequence[str]) -> dict[str, str]:
    """What each `-p NAME=VALUE` fills, by name.

    Raises:
        ConfigurationError: one has no `=`.
    """
    for pair in pairs:
        if "=" not in pair:
            raise ConfigurationError(f"-p {pair}: write NAME=VALUE")
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}

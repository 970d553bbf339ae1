"""Settings of Sphinx for the site. Our docstrings are Markdown in small: its marks become those of reStructuredText."""

from __future__ import annotations

import re
from typing import Any

from miiflow_llm import __version__

project = "miiflow-llm"
author = "the authors of miiflow-llm"
copyright = "the authors of miiflow-llm, MIT licence"  # noqa: A001  Sphinx's own name
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns: list[str] = []
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]
default_role = "code"

html_theme = "furo"
html_title = "miiflow-llm"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}
pygments_style = "tango"
pygments_dark_style = "github-dark"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False
napoleon_numpy_docstring = False
napoleon_use_ivar = True
html_context: dict[str, Any] = {}

_CODE = re.compile(r"(`[^`\n]+`)")
_SPECIAL = re.compile(r"([*|\\]|(?<=\w)_(?!\w))")


def _rst(line: str) -> str:
    """A line of a docstring: code in one backtick becomes a literal, everything else plain text."""
    made = ""
    for part in _CODE.split(line):
        # text that touches a literal hides its end from reStructuredText, unless an empty escape stands between
        touching = made and part and (made[-1].isalnum() or part[0].isalnum()) and ("`" in (made[-1], part[0]))
        made += ("\\ " if touching else "") + (f"`{part}`" if part.startswith("`") else _SPECIAL.sub(r"\\\1", part))
    return made


def _from_markdown(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    text = "\n".join(lines)
    joined = re.sub(r"`([^`]+?)`", lambda match: f"`{' '.join(match.group(1).split())}`", text)
    lines[:] = [_rst(line) for line in joined.split("\n")]


def setup(app: Any) -> None:
    """Read docstrings before napoleon does."""
    app.connect("autodoc-process-docstring", _from_markdown, priority=100)

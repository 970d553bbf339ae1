"""Write the generated tables of README.md from the providers' own tables; `--check` says whether they are current."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from miiflow_llm import providers
from miiflow_llm.wire.table import Provider

README = Path(__file__).parent.parent / "README.md"
_SECTION = re.compile(r"(<!-- providers: [^>]*-->\n).*?(<!-- end -->)", re.DOTALL)


def provider_table() -> str:
    """One row a provider: name, dialects, address, key."""
    lines = ["| provider | dialects | base URL | key |", "|---|---|---|---|"]
    lines += [_row(providers.get(name)) for name in providers.names()]
    return "\n".join(lines) + "\n"


def _row(provider: Provider) -> str:
    aliases = [alias for alias, name in providers.ALIASES.items() if name == provider.name and "_" not in alias]
    name = f"`{provider.name}`" + (f" (`{aliases[0]}`)" if aliases else "")
    dialects = ", ".join(option.dialect.name for option in (provider, *provider.also))
    key = f"`{provider.env[0]}`" if provider.env else "none"
    if provider.key == "optional":
        key += " (optional)"
    return f"| {name} | {dialects} | {provider.base_url or 'yours'} | {key} |"


def main() -> int:
    """Exit code 1 where `--check` finds the README out of date."""
    old = README.read_text()
    new = _SECTION.sub(lambda match: match.group(1) + provider_table() + match.group(2), old)
    if "--check" in sys.argv:
        if new != old:
            print("README.md is out of date: run scripts/docs")
        return int(new != old)
    README.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())

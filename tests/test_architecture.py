"""The house: imports run down only, in no circle, and the engine has never heard of a provider."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from miiflow_llm import providers

SOURCE = Path(__file__).parent.parent / "src" / "miiflow_llm"
PACKAGE = "miiflow_llm"
FLOORS = {
    "core": {"core"},
    "wire": {"core", "wire"},
    "dialects": {"core", "wire", "dialects"},
    "providers": {"core", "wire", "dialects", "providers"},
    "client": {"core", "wire", "dialects", "providers", "client"},
    "replay": {"core", "wire", "dialects", "providers", "client", "replay"},
    "web": {"core", "wire", "client", "replay", "web"},
    "cli": {"core", "wire", "dialects", "providers", "client", "replay", "web", "cli"},
}
"""What each floor may import: itself and what is below it. Modules at the top of the package are the client's floor."""
TABLE_MODULES = {"table", "media", "schema_subset", "conversation", "template"}
"""The modules of `wire` that a dialect may know: the grammar, and the values that its hooks take."""


def modules() -> list[Path]:
    """Every module of the package."""
    return sorted(SOURCE.rglob("*.py"))


def dotted(path: Path) -> str:
    """A module's name below the package."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@cache
def imports(path: Path) -> frozenset[str]:
    """The package's own modules that a module imports, those inside functions too; not those for types alone."""
    tree = ast.parse(path.read_text())
    return frozenset(name for node in _nodes(tree) for name in _targets(node, path))


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _nodes(node)


def _targets(node: ast.AST, path: Path) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name.removeprefix(f"{PACKAGE}.") for alias in node.names if alias.name.startswith(PACKAGE))
    elif isinstance(node, ast.ImportFrom) and node.level:
        parts = list(path.relative_to(SOURCE).parts[:-1])
        base = [*parts[: len(parts) - node.level + 1], *(node.module or "").split(".")]
        yield from (_existing(".".join(filter(None, base)), alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
        base_name = (node.module or "").removeprefix(PACKAGE).lstrip(".")
        yield from (_existing(base_name, alias.name) for alias in node.names)


def _existing(base: str, name: str) -> str:
    """`base.name` where that is a module, else `base`."""
    inner = f"{base}.{name}" if base else name
    return inner if any(dotted(path) == inner for path in modules()) else base


def floor(module: str) -> str:
    """The floor that a module stands on."""
    top = module.partition(".")[0]
    return top if top in FLOORS and "." in f"{module}." and (SOURCE / top).is_dir() else "client"


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_imports_run_down(path: Path) -> None:
    """A module imports from its own floor and those below, never up."""
    here = floor(dotted(path))
    for target in imports(path):
        assert floor(target) in FLOORS[here], f"{dotted(path)} imports {target}"


@pytest.mark.parametrize("path", sorted((SOURCE / "dialects").glob("*.py")), ids=dotted)
def test_dialects_know_the_grammar_alone(path: Path) -> None:
    """A dialect knows the table's words and the values that its hooks take, nothing else of the engine."""
    known = {target.removeprefix("wire.") for target in imports(path) if target.startswith("wire.")}
    assert known <= TABLE_MODULES


@pytest.mark.parametrize("path", sorted((SOURCE / "providers").glob("*.py")), ids=dotted)
def test_providers_know_tables_alone(path: Path) -> None:
    """A provider is a table: of the engine it knows the grammar and nothing else."""
    assert {target for target in imports(path) if target.startswith("wire.")} <= {"wire.table"}


def test_what_is_optional_stands_above_the_client() -> None:
    """However one follows the client's imports, those inside functions too, nothing optional is reached."""
    reached, todo = set[str](), ["client", "sync_client"]
    graph = {dotted(path): imports(path) for path in modules()}
    while todo:
        module = todo.pop()
        if module not in reached:
            reached.add(module)
            todo += graph.get(module, ())
    optional = {module for module in graph if module.partition(".")[0] in ("replay", "web", "cli", "otel")}
    assert optional
    assert not reached & optional
    assert {"wire.engine", "core.messages"} <= reached


def test_no_circles() -> None:
    """No module imports itself by way of others."""
    graph = {dotted(path): {target for target in imports(path) if target != dotted(path)} for path in modules()}
    done: set[str] = set()
    for start in graph:
        _walk(start, graph, (), done)


def _walk(module: str, graph: dict[str, set[str]], path: tuple[str, ...], done: set[str]) -> None:
    assert module not in path, " -> ".join((*path, module))
    if module in done or module not in graph:
        return
    for target in graph[module]:
        if not graph.get(target, set()) >= {module} or target != module.rpartition(".")[0]:
            _walk(target, graph, (*path, module), done)
    done.add(module)


@pytest.mark.parametrize("path", sorted((SOURCE / "wire").rglob("*.py")), ids=dotted)
def test_wire_has_never_heard_of_a_provider(path: Path) -> None:
    """No provider's name stands in the engine's code or texts; its documentation may say where a fact is from."""
    heard = [word for word in said(ast.parse(path.read_text())) if PROVIDER.search(word)]
    assert heard == []


PROVIDER = re.compile(
    "|".join({*providers.builtin_names(), *providers.ALIASES} - {"openai-compatible"}).replace("-", "."), re.IGNORECASE
)


def said(tree: ast.AST) -> Iterator[str]:
    """Every name and text of a module that is no documentation."""
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)) and id(node) not in prose:
            yield node.value if isinstance(node.value, str) else node.value.decode("latin-1")
        for field in ("id", "attr", "name", "arg", "asname", "module"):
            found = getattr(node, field, None)
            if isinstance(found, str):
                yield found


def test_a_providers_name_is_heard() -> None:
    """The search finds names in variables, attributes, arguments, keywords, functions, texts and imports alike."""
    for code in (
        "openai = 1",
        "x.groq",
        "def f(xai): ...",
        "f(mistral=1)",
        "async def gemini_x(): ...",
        "class Cohere: ...",
        "x = 'DeepSeek'",
        "x = f'{y} ollama'",
        "x = b'google'",
        "import anthropic as a",
        "from x.together import y",
    ):
        assert any(PROVIDER.search(word) for word in said(ast.parse(code))), code
    assert not any(PROVIDER.search(word) for word in said(ast.parse('"""As OpenAI does."""')))


def test_one_place_names_httpx() -> None:
    """Sans-I/O means that the engine's rooms know no network library, but for the transports."""
    for path in sorted((SOURCE / "wire").glob("*.py")):
        if not path.stem.startswith("transport"):
            text = path.read_text()
            assert "import httpx" not in text, path
            assert "await " not in text, path


@pytest.mark.parametrize("module", ["", ".core", ".core.exceptions"])
def test_importing_stays_cheap(module: str) -> None:
    """The package alone brings in neither httpx nor a provider's table nor anything optional."""
    import subprocess
    import sys

    code = f"import sys, {PACKAGE}{module}; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"httpx", "anyio.to_process", "trio", "pytest", "rich", "opentelemetry"} & set(loaded)
    assert not any(name.startswith((f"{PACKAGE}.providers.", f"{PACKAGE}.dialects.")) for name in loaded)


def test_a_client_pays_for_its_own_provider_alone() -> None:
    """Making a client loads one provider's table and no other's."""
    import subprocess
    import sys

    code = (
        f"import sys; from {PACKAGE} import LLMClient; LLMClient.create('ollama', 'm'); "
        f"print(' '.join(n for n in sys.modules if n.startswith('{PACKAGE}.providers.')))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == [f"{PACKAGE}.providers.ollama"]

"""The house: rooms stand on rooms, imports run down only and in no circle, the engine has heard of no provider."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from miiflow_llm import providers

SOURCE = Path(__file__).parent.parent / "src" / "miiflow_llm"
PACKAGE = "miiflow_llm"

ROOMS: dict[str, tuple[str, str]] = {
    "core": ("What is said: plain structs and exceptions. It stands on nothing.", ""),
    "schema": ("Types to JSON Schema, and to growing and typed values. It knows the words of core alone.", "core"),
    "tables": ("The language of the tables, public. It knows what is said and how schemas are read.", "core schema"),
    "dialects": ("A wire format a file. It is written in the language of the tables.", "core schema tables"),
    "providers": ("A provider a file: dialects, an address, a key.", "core schema tables dialects"),
    "wire": ("The engine. It reads tables; it has heard of no provider and no network.", "core schema tables"),
    "http": ("Sending. It knows what goes wrong, and nothing of what is sent.", "core"),
    "redis": ("A server that processes share, asked within a limit.", "core"),
    "prices": ("What calls cost, before and after, and how much may be spent.", "core redis"),
    "calls": ("One call, by whichever engine and transport.", "core schema tables providers wire http prices"),
    "client": ("What people hold.", "core schema tables providers wire http redis prices calls"),
    "choosing": ("Which target, when, and what then: pure. It awaits nothing and has no clock and no chance.", "core"),
    "routing": (
        "Many targets behind one face.",
        "core schema tables providers wire http calls client choosing redis prices",
    ),
    "caching": ("Answers asked once.", "core calls client redis prices"),
    "trials": ("Which target is better.", "core calls client choosing"),
    "bulk": ("A million prompts.", "core calls client prices"),
    "otel": ("Telemetry of what the client tells.", "core calls client"),
    "replay": ("A provider that plays captures.", "core schema tables providers wire http calls client"),
    "web": ("An answer relayed to browsers.", "core schema wire http calls client trials replay"),
    "cli": (
        "The command line: it may use every room.",
        (
            "core schema tables dialects providers wire http calls client choosing redis prices routing caching trials "
            "bulk otel replay web"
        ),
    ),
}
"""Each room in a sentence, and the rooms it may import."""
NOT_BUILT: set[str] = set()
"""Rooms whose place is kept; whoever builds one takes it off this list."""
FORWARDS = {"core.tools", "core.partial_json", "core.json_schema", "wire.table", "tables.table"}
"""Names of before the rooms: each forwards to its new home for one release."""
HTTPX_DOORS = {"client.async_client", "client.sync_client", "client.base", "client.pool", "client.inline"}
"""Where a caller's own httpx client is taken: the client's door."""
FOR_TYPES_ALONE = {
    frozenset(
        {
            "core.exceptions",
            "core.legal_keys",
            "core.media_types",
            "core.messages",
            "core.openai_style",
            "core.part_styles",
            "core.response",
            "core.transcript",
        }
    ),
}
"""Circles that type checkers alone see."""


def modules() -> list[Path]:
    """Every module of the package."""
    return sorted(SOURCE.rglob("*.py"))


def dotted(path: Path) -> str:
    """A module's name below the package."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


NAMES = {dotted(path) for path in modules()}


@cache
def imports(path: Path, *, types: bool = True) -> frozenset[str]:
    """The package's own modules that a module imports, inside functions too; `types`: for type checkers too."""
    nodes = _nodes(ast.parse(path.read_text()), types=types)
    return frozenset(name for node in nodes for name in _targets(node, path)) - {dotted(path)}


def _nodes(tree: ast.AST, *, types: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if not types and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _nodes(node, types=types)


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
    """`base.name` if that is a module, otherwise `base`."""
    inner = f"{base}.{name}" if base else name
    return inner if inner in NAMES else base


def room(module: str) -> str:
    """The room that a module stands in; `""` for the package's own front door."""
    top = module.partition(".")[0]
    return top if (SOURCE / top).is_dir() else ""


def below(name: str) -> set[str]:
    """The rooms that a room stands on."""
    return set(ROOMS[name][1].split())


def test_every_folder_is_a_room() -> None:
    """The folders of the package are the rooms, each with its sentence."""
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders | NOT_BUILT == set(ROOMS)
    assert not folders & NOT_BUILT
    assert {path.stem for path in SOURCE.glob("*.py")} == {"__init__", "_version"}


@pytest.mark.parametrize("path", [path for path in modules() if room(dotted(path))], ids=dotted)
def test_imports_run_down(path: Path) -> None:
    """A module imports from its own room and those it stands on, never up; what type checkers see counts too."""
    here = room(dotted(path))
    for target in imports(path):
        there = room(target)
        assert there in below(here) | {here} or target in ("", "_version"), f"{dotted(path)} imports {target}"


def test_rooms_stand_in_order() -> None:
    """No two rooms stand on each other, however many stand between."""
    order = list(ROOMS)
    for name in ROOMS:
        assert all(order.index(other) < order.index(name) for other in below(name)), name


def test_what_is_optional_stands_above_the_client() -> None:
    """However one follows the client's imports, those inside functions too, nothing optional is reached."""
    reached, todo = set[str](), ["client.async_client", "client.sync_client"]
    graph = {dotted(path): imports(path) for path in modules()}
    while todo:
        module = todo.pop()
        if module not in reached:
            reached.add(module)
            todo += graph.get(module, ())
    above = set(ROOMS) - below("client") - {"client", "dialects"}
    assert not {module for module in reached if room(module) in above}
    assert {"wire.engine", "core.messages"} <= reached


def test_no_circles() -> None:
    """No module imports itself by way of others, for type checkers neither."""
    graph = {dotted(path): _leaves(dotted(path), imports(path)) for path in modules()}
    assert _circles(graph) <= FOR_TYPES_ALONE
    bare = {dotted(path): _leaves(dotted(path), imports(path, types=False)) for path in modules()}
    assert _circles(bare) == set()


def _leaves(module: str, targets: frozenset[str]) -> set[str]:
    """The targets without the packages that `module` itself stands in: importing those is how Python finds it."""
    return {target for target in targets if not module.startswith(f"{target}.") and target}


def _circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """Every set of modules that reach each other (Tarjan's strongly connected components of more than one)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: set[frozenset[str]] = set()

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for target in graph.get(module, ()):
            if target not in index:
                visit(target)
                low[module] = min(low[module], low[target])
            elif target in stack:
                low[module] = min(low[module], index[target])
        if low[module] == index[module]:
            component = frozenset(stack[stack.index(module) :])
            del stack[stack.index(module) :]
            if len(component) > 1:
                found.add(component)

    for module in graph:
        if module not in index:
            visit(module)
    return found


def test_a_circle_is_found() -> None:
    """The search finds a circle of three and passes over a chain."""
    assert _circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == {frozenset("abc")}
    assert _circles({"a": {"b"}, "b": {"c"}, "c": set()}) == set()


PROVIDER = re.compile(
    "|".join({*providers.builtin_names(), *providers.ALIASES} - {"openai-compatible"}).replace("-", "."), re.IGNORECASE
)
BELOW_PROVIDERS = ("core", "schema", "tables", "wire", "http")
NAMES_A_FORM = {"core.openai_style", "core.messages", "core.secrets", "schema.docstrings"}
"""Messages also come in the form that OpenAI's users write, docstrings in Google's: there the name is a form's.
Keys are known by their format."""


@pytest.mark.parametrize(
    "path",
    [path for path in modules() if room(dotted(path)) in BELOW_PROVIDERS and dotted(path) not in NAMES_A_FORM],
    ids=dotted,
)
def test_what_is_below_has_never_heard_of_a_provider(path: Path) -> None:
    """No provider's name stands in code or texts of the rooms below; documentation may say where a fact is from."""
    heard = [word for word in said(ast.parse(path.read_text())) if PROVIDER.search(word.replace("_together", ""))]
    assert heard == []


def said(tree: ast.AST) -> Iterator[str]:
    """Every name and text of a module that is not documentation."""
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


BELOW_HTTP = ("core", "schema", "tables", "dialects", "providers", "wire", "calls", "client", "otel")


@pytest.mark.parametrize("path", [path for path in modules() if room(dotted(path)) in BELOW_HTTP], ids=dotted)
def test_http_alone_names_httpx(path: Path) -> None:
    """Beside `http/`, only the client's door, where a caller's own client comes in, names httpx."""
    named = re.search(r"^\s*(?:import httpx\b|from httpx\b)", path.read_text(), re.MULTILINE)
    assert not named or dotted(path) in HTTPX_DOORS


PURE = [path for name in ("wire", "choosing") for path in sorted((SOURCE / name).rglob("*.py"))]


@pytest.mark.parametrize("path", PURE, ids=dotted)
def test_the_engine_waits_for_nothing(path: Path) -> None:
    """Sans-I/O: no `await` stands in the engine, nor where targets are chosen."""
    assert not [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, (ast.Await, ast.AsyncFor))]


@pytest.mark.parametrize("path", sorted((SOURCE / "choosing").rglob("*.py")), ids=dotted)
def test_choosing_has_no_clock_and_no_chance(path: Path) -> None:
    """Time and chance are arguments: no clock and no random source is imported where targets are chosen."""
    tree = ast.parse(path.read_text())
    roots = {
        alias.name.partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    roots |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    assert not roots & {"time", "random", "secrets", "datetime", "anyio", "asyncio", "threading"}
    assert "core.clock" not in imports(path)


@pytest.mark.parametrize("module", sorted(FORWARDS))
def test_old_names_forward(module: str) -> None:
    """A name of before the rooms gives what stands in its new home."""
    import importlib

    old = importlib.import_module(f"{PACKAGE}.{module}")
    new = importlib.import_module((old.__doc__ or "").split("`")[1])
    name = next(name for name in vars(new) if not name.startswith("_") and callable(getattr(new, name)))
    assert getattr(old, name) is getattr(new, name)


def modules_after(code: str) -> set[str]:
    """The modules that are loaded in a new interpreter once it has run `code`."""
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(' '.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ran.stdout.split())


@pytest.mark.parametrize("module", ["", ".core", ".core.exceptions"])
def test_importing_stays_cheap(module: str) -> None:
    """The package alone brings in neither httpx nor a provider's table nor anything optional."""
    loaded = modules_after(f"import {PACKAGE}{module}")
    assert not {"httpx", "anyio.to_process", "trio", "pytest", "rich", "opentelemetry"} & loaded
    assert not any(name.startswith((f"{PACKAGE}.providers.", f"{PACKAGE}.dialects.")) for name in loaded)


def test_a_client_pays_for_its_own_provider_alone() -> None:
    """Making a client loads one provider's table and no other's."""
    loaded = modules_after(f"from {PACKAGE} import LLMClient; LLMClient.create('ollama', 'm')")
    assert {name for name in loaded if name.startswith(f"{PACKAGE}.providers.")} == {f"{PACKAGE}.providers.ollama"}


@pytest.mark.parametrize("client", ["LLMClient", "SyncLLMClient"])
def test_a_client_pays_for_no_event_loop_but_its_own(client: str) -> None:
    """Making a client loads neither trio nor httpcore, which loads it: a quarter of the time that it takes."""
    loaded = modules_after(f"from {PACKAGE} import {client}; {client}.create('ollama', 'm')")
    assert not {"httpcore", "trio", "h11", "attrs"} & loaded


LOCKS = {
    "core/forks.py",
    "caching/waits.py",
    "http/course.py",
    "http/httpx_sender_sync.py",
    "http/loops.py",
    "http/threads.py",
    "http/lean/blocking_connection.py",
    "http/lean/blocking_pool.py",
    "http/lean/loops.py",
}
"""Files that make locks themselves: they belong to one request, or begin anew in a forked child."""


def test_locks_are_free_in_a_forked_child() -> None:
    """A lock that outlives a request is made by `core.forks.lock()`, which a child finds free, whoever had it."""
    making = re.compile(r"\b(?:Lock|RLock|Condition|Semaphore)\(\)")
    found = {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if making.search(path.read_text())}
    assert found == LOCKS, f"make them by core.forks.lock(): {found ^ LOCKS}"

"""The commands and their options, as typer reads them; what each does is in a module of its own, imported when run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from .._version import __version__
from . import more_commands
from .ending import command
from .options import (
    EPILOG,
    AsJson,
    Attachments,
    BaseUrl,
    CacheStore,
    Cid,
    Config,
    DialectName,
    EnvFile,
    Extract,
    ExtractLast,
    GoOn,
    Images,
    Keep,
    MaxTokens,
    Model,
    Places,
    Reasoning,
    Route,
    SchemaOf,
    Seconds,
    Settings,
    Stream,
    System,
    Temperature,
    TemplateName,
    Tools,
    Yes,
)

app = typer.Typer(
    name="miiflow-llm",
    help="One command over every LLM provider. Keys are read from the environment and from .env, never from options.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

PROGRAM = "miiflow-llm"
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """What holds for every command."""


def _ask(**given: Any) -> Any:
    from .asking import Ask

    images, attachments = (given.pop(name, None) or () for name in ("images", "attachments"))
    return Ask(images=images, attachments=attachments, **given)


@app.command("chat", epilog=EPILOG)
@command
def chat(
    prompt: Annotated[str | None, typer.Argument(help="What to ask; what is piped in follows it.")] = None,
    model: Model = None,
    route: Route = None,
    cache: CacheStore = None,
    config: Config = None,
    base_url: BaseUrl = None,
    dialect: DialectName = None,
    system: System = None,
    images: Images = None,
    attachments: Attachments = None,
    schema: SchemaOf = None,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    reasoning: Reasoning = None,
    parameters: Settings = "{}",
    timeout: Seconds = None,
    env_file: EnvFile = ".env",
    as_json: AsJson = False,
    stream: Stream = True,
    go_on: GoOn = False,
    cid: Cid = None,
    keep: Keep = None,
    extract: Extract = False,
    extract_last: ExtractLast = False,
    tools: Tools = None,
    yes: Yes = False,
    template: TemplateName = None,
    places: Places = None,
) -> None:
    """Ask a model; without a prompt, converse with it.

    On a terminal the answer is drawn as it comes; in a pipe it is its plain text; with --json each chunk is a line, and
    the last one is `finished` or `error`. Turns are kept: -c goes on with the last conversation, `logs` shows them.
    """
    given = dict(locals())
    from .chat import chat as run
    from .talk import Way

    own = {name: given.pop(name) for name in Way.__struct_fields__}
    del given["prompt"]
    run(_ask(**given), prompt, Way(**{name: value for name, value in own.items() if value is not None}))


@app.command("plan", epilog=EPILOG)
@command
def plan(
    prompt: Annotated[str, typer.Argument()] = "Hello",
    model: Model = None,
    route: Route = None,
    config: Config = None,
    base_url: BaseUrl = None,
    dialect: DialectName = None,
    system: System = None,
    images: Images = None,
    attachments: Attachments = None,
    schema: SchemaOf = None,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    reasoning: Reasoning = None,
    parameters: Settings = "{}",
    env_file: EnvFile = ".env",
    stream: Annotated[bool, typer.Option("--stream/--no-stream")] = True,
) -> None:
    """Print the exact request that chat would send, with the key hidden. Nothing is sent."""
    from .listing import plan as run

    ask = _ask(
        model=model,
        route=route,
        config=config,
        base_url=base_url,
        dialect=dialect,
        system=system,
        images=images,
        attachments=attachments,
        schema=schema,
        temperature=temperature,
        max_tokens=max_tokens,
        reasoning=reasoning,
        parameters=parameters,
        env_file=env_file,
    )
    run(ask, prompt, stream=stream)


@app.command("providers", epilog=EPILOG)
@command
def providers(env_file: EnvFile = ".env", as_json: AsJson = False) -> None:
    """List the providers: their formats, addresses, and which key variables are set (never a value)."""
    from .listing import providers as run

    run(env_file, as_json=as_json)


@app.command("models", epilog=EPILOG)
@command
def models(
    provider: Annotated[str, typer.Argument(help="openai, anthropic, ...")],
    base_url: BaseUrl = None,
    env_file: EnvFile = ".env",
    as_json: AsJson = False,
) -> None:
    """List the models that a provider has for your key."""
    from .listing import models as run

    run(provider, base_url, env_file, as_json=as_json)


@app.command("explain", context_settings=PASSED_ON, add_help_option=False)
@command
def explain(context: typer.Context) -> int:
    """Show a dialect's table, the functions made of it, and a capture's frames beside their chunks."""
    from ..replay.explain import main

    return main(context.args)


@app.command("capture", context_settings=PASSED_ON, add_help_option=False)
@command
def capture(context: typer.Context) -> int:
    """Record a live answer as a capture, with your own key."""
    from ..client.env import load_env
    from ..replay.__main__ import main

    load_env()
    return main(["capture", *context.args], PROGRAM)


@app.command("replay", context_settings=PASSED_ON, add_help_option=False)
@command
def replay(context: typer.Context) -> int:
    """Serve a folder of captures on a loopback socket, as their providers would."""
    from ..replay.__main__ import main

    return main(["replay", *context.args], PROGRAM)


@app.command("fake", context_settings=PASSED_ON, add_help_option=False)
@command
def fake(context: typer.Context) -> int:
    """Serve an answer of your own in every dialect on a loopback socket."""
    from ..replay.__main__ import main

    return main(["fake", *context.args], PROGRAM)


@app.command("captures", context_settings=PASSED_ON, add_help_option=False)
@command
def captures(context: typer.Context) -> int:
    """Look at captures: show, compare or check them, or import VCR.py cassettes."""
    from ..replay.__main__ import main

    return main(context.args, f"{PROGRAM} captures")


@app.command("serve", epilog=EPILOG)
@command
def serve(
    host: Annotated[str, typer.Option("--host", help="127.0.0.1 is seen only from this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535)] = 8000,
    models: Annotated[
        list[str] | None, typer.Option("-m", "--model", metavar="PROVIDER:MODEL", help="What to offer; repeatable.")
    ] = None,
    config: Config = None,
    demo: Annotated[bool, typer.Option("--demo", help="Replayed answers, with no key and no network.")] = False,
    allow_hosts: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="A further name that it is reached by; repeatable."),
    ] = None,
    trial_log: Annotated[
        str | None,
        typer.Option("--trial-log", metavar="FILE", help="Keep which of two models' answers people prefer (.jsonl)."),
    ] = None,
    env_file: EnvFile = ".env",
) -> None:
    """Serve the web page: choose a provider and model, watch the answer arrive.

    Offered are the models named, those of the configuration, or one of each provider whose key is set.
    """
    from .serving import Order
    from .serving import serve as run

    order = Order(
        host=host,
        port=port,
        models=models or (),
        config=config,
        demo=demo,
        allow_hosts=allow_hosts or (),
        trial_log=trial_log,
        env_file=env_file,
    )
    run(order)


@app.command("check", epilog=EPILOG)
@command
def check(
    base_url: Annotated[str, typer.Option("--base-url", help="As a client is given it, such as http://host/v1.")],
    model: Annotated[str | None, typer.Option("--model", help="By default the first that it lists.")] = None,
    key_env: Annotated[str, typer.Option("--key-env", help="The variable that holds the key.")] = "OPENAI_API_KEY",
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds for each whole answer.")] = 60.0,
    env_file: EnvFile = ".env",
    as_json: AsJson = False,
) -> int:
    """Try an OpenAI-compatible server: what it does, what differs, and the table rows that say so.

    Some twenty short requests are made, each with a limit of tokens. An answer that would be the same for all (a wrong
    key, a rate limit, a model that is still loading) ends the check with that error. Exits with 1 if something differs
    in a way that no row can say.
    """
    from .check import check as run

    return run(base_url, model, key_env, timeout, env_file, as_json=as_json)


@app.command("bulk", epilog=EPILOG)
@command
def bulk(
    prompts: Annotated[Path, typer.Argument(help="A .jsonl, .csv, .parquet or text file, a prompt a line.")],
    answers: Annotated[Path, typer.Argument(help="The .jsonl file to write, in the order of the prompts.")],
    model: Model = None,
    route: Route = None,
    config: Config = None,
    base_url: BaseUrl = None,
    dialect: DialectName = None,
    schema: SchemaOf = None,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    reasoning: Reasoning = None,
    parameters: Settings = "{}",
    journal: Annotated[Path | None, typer.Option("--journal", help="By default beside the answers.")] = None,
    concurrency: Annotated[str, typer.Option("--concurrency", help="A number, or auto.")] = "auto",
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Ask again what failed before.")] = False,
    via: Annotated[str, typer.Option("--via", help="calls, or batch: the provider's batch API.")] = "calls",
    poll: Annotated[float, typer.Option("--poll", help="Seconds between two looks at a batch, at first.")] = 10.0,
    env_file: EnvFile = ".env",
) -> int:
    """Ask every prompt of a file. Broken off at any moment, the same command goes on where it was.

    Exits with 1 if a prompt has failed.
    """
    from .bulk import Job
    from .bulk import bulk as run

    ask = _ask(
        model=model,
        route=route,
        config=config,
        base_url=base_url,
        dialect=dialect,
        images=(),
        schema=schema,
        temperature=temperature,
        max_tokens=max_tokens,
        reasoning=reasoning,
        parameters=parameters,
        env_file=env_file,
    )
    job = Job(prompts=prompts, answers=answers, journal=journal, concurrency=concurrency, retry_failed=retry_failed)
    job.via, job.poll = cast("Any", via), poll
    return run(ask, job)


batch = typer.Typer(help="Hand prompts over at once, for answers within a day at half the price.", no_args_is_help=True)
app.add_typer(batch, name="batch")
BatchId = Annotated[str, typer.Argument(metavar="ID", help="What `batch create` printed.")]


@batch.command("create", epilog=EPILOG)
@command
def batch_create(
    prompts: Annotated[Path, typer.Argument(help="A .jsonl, .csv, .parquet or text file, a prompt a line.")],
    model: Model = None,
    config: Config = None,
    base_url: BaseUrl = None,
    dialect: DialectName = None,
    schema: SchemaOf = None,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    reasoning: Reasoning = None,
    parameters: Settings = "{}",
    env_file: EnvFile = ".env",
) -> None:
    """Hand the prompts of a file over, and print the id of their batch."""
    from .batch import create as run

    ask = _ask(
        model=model,
        config=config,
        base_url=base_url,
        dialect=dialect,
        schema=schema,
        temperature=temperature,
        max_tokens=max_tokens,
        reasoning=reasoning,
        parameters=parameters,
        env_file=env_file,
    )
    run(ask, prompts)


@batch.command("status", epilog=EPILOG)
@command
def batch_status(
    id_: BatchId,
    model: Model = None,
    config: Config = None,
    base_url: BaseUrl = None,
    dialect: DialectName = None,
    env_file: EnvFile = ".env",
    wait: Annotated[bool, typer.Option("--wait", help="Until it is over, asking now and then.")] = False,
    as_json: AsJson = False,
) -> int:
    """Say how far a batch is."""
    from .batch import status as run

    ask = _ask(model=model, config=config, base_url=base_url, dialect=dialect, env_file=env_file)
    return run(ask, id_, wait=wait, as_json=as_json)


@batch.command("results", epilog=EPILOG)
@command
def batch_results(
    id_: BatchId,
    answers: Annotated[Path, typer.Argument(help="The .jsonl file to write, a line for each request.")],
    model: Model = None,
    config: Config = None,
    base_url: BaseUrl = None,
    dialect: DialectName = None,
    schema: SchemaOf = None,
    env_file: EnvFile = ".env",
) -> int:
    """Write the answers of a batch that is over; exits with 1 if a request failed."""
    from .batch import results as run

    ask = _ask(model=model, config=config, base_url=base_url, dialect=dialect, schema=schema, env_file=env_file)
    return run(ask, id_, answers)


@batch.command("cancel", epilog=EPILOG)
@command
def batch_cancel(
    id_: BatchId,
    model: Model = None,
    config: Config = None,
    base_url: BaseUrl = None,
    dialect: DialectName = None,
    env_file: EnvFile = ".env",
) -> None:
    """End a batch; what was answered until then can be had."""
    from .batch import cancel as run

    run(_ask(model=model, config=config, base_url=base_url, dialect=dialect, env_file=env_file), id_)


@app.command("bulk-report", epilog=EPILOG)
@command
def bulk_report(
    journal: Annotated[Path, typer.Argument(help="The journal of a job.")],
    plot: Annotated[Path | None, typer.Option("--plot", help="An SVG file for its picture over time.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say how far a bulk job is: done, failed, tokens, cost, rate and latencies, while it runs or after."""
    from .bulk import report as run

    run(journal, as_json=as_json, plot=plot)


more_commands.add(app)

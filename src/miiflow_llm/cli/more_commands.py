"""The commands in groups, and those for what is remembered: `logs`, `keys`, `route` and `trial`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .ending import command
from .options import (
    EPILOG,
    AsJson,
    Attachments,
    Config,
    EnvFile,
    Images,
    MaxTokens,
    Reasoning,
    SchemaOf,
    Settings,
    System,
    Temperature,
)

route = typer.Typer(help="Look at routes.", no_args_is_help=True)


@route.command("explain", epilog=EPILOG)
@command
def route_explain(
    name: Annotated[str, typer.Argument(help="The route's name in the configuration.")],
    prompt: Annotated[str, typer.Argument(help="What would be asked.")] = "Hello",
    config: Config = None,
    system: System = None,
    images: Images = None,
    attachments: Attachments = None,
    schema: SchemaOf = None,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    reasoning: Reasoning = None,
    parameters: Settings = "{}",
    env_file: EnvFile = ".env",
    as_json: AsJson = False,
) -> None:
    """Show which targets a call to a route would go to, and why: the table that would decide. Nothing is sent."""
    from .asking import Ask
    from .route_explain import explain as run

    ask = Ask(
        route=name,
        config=config,
        system=system,
        images=images or (),
        attachments=attachments or (),
        schema=schema,
        temperature=temperature,
        max_tokens=max_tokens,
        reasoning=reasoning,
        parameters=parameters,
        env_file=env_file,
    )
    run(ask, prompt, as_json=as_json)


trial = typer.Typer(help="Look at trials.", no_args_is_help=True)


@trial.command("report", epilog=EPILOG)
@command
def trial_report(
    log: Annotated[Path, typer.Argument(help="The trial's log: .jsonl or .sqlite.")],
    name: Annotated[str | None, typer.Option("--trial", help="Which one, if the log holds several.")] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Write the intervals as an SVG.")] = None,
    alpha: Annotated[float, typer.Option("--alpha", min=0.0001, max=0.5, help="The chance of a false winner.")] = 0.05,
    as_json: AsJson = False,
) -> None:
    """Show what a trial has shown so far; it may be asked at any time, as often as you like."""
    from .trial_report import report as run

    run(log, name, plot, alpha, as_json=as_json)


@command
def logs(
    words: Annotated[str, typer.Argument(help="Only turns in which all these words stand.")] = "",
    most: Annotated[int, typer.Option("-n", "--count", min=0, help="How many of the last ones; 0 is all.")] = 3,
    cid: Annotated[str | None, typer.Option("--cid", metavar="ID", help="All turns of this conversation.")] = None,
    last: Annotated[bool, typer.Option("-c", "--continue", help="All turns of the last conversation.")] = False,
    short: Annotated[bool, typer.Option("-s", "--short", help="A line each.")] = False,
    response: Annotated[bool, typer.Option("-r", "--response", help="Only the last answer.")] = False,
    as_json: AsJson = False,
    on: Annotated[bool | None, typer.Option("--on/--off", help="Keep turns from now on, or no more.")] = None,
    path: Annotated[bool, typer.Option("--path", help="Print the path of their file.")] = False,
    remove: Annotated[str | None, typer.Option("--remove", metavar="ID", help="Forget this conversation.")] = None,
) -> None:
    """Show the turns that were kept, newest last, and search them."""
    from . import keeping

    if on is not None:
        keeping.switch(on=on)
    elif path:
        keeping.show_path()
    elif remove is not None:
        keeping.forget(remove)
    else:
        keeping.logs(
            keeping.Look(words=words, most=most, cid=cid, last=last, short=short, response=response, as_json=as_json)
        )


keys = typer.Typer(help="Keep keys of providers, so that no variable need be set.", no_args_is_help=True)
ProviderName = Annotated[str, typer.Argument(help="openai, anthropic, ...")]


@keys.command("set", epilog=EPILOG)
@command
def keys_set(provider: ProviderName) -> None:
    """Keep a provider's key: typed unseen, or piped in. It goes into the system's keyring if there is one."""
    from . import keeping

    keeping.keys_set(provider)


@keys.command("list", epilog=EPILOG)
@command
def keys_list() -> None:
    """List the providers whose keys are kept, and where; never a key."""
    from . import keeping

    keeping.keys_list()


@keys.command("remove", epilog=EPILOG)
@command
def keys_remove(provider: ProviderName) -> None:
    """Forget a provider's key."""
    from . import keeping

    keeping.keys_remove(provider)


def add(app: typer.Typer) -> None:
    """Add these commands to the others."""
    app.command("logs", epilog=EPILOG)(logs)
    app.add_typer(keys, name="keys")
    app.add_typer(route, name="route")
    app.add_typer(trial, name="trial")

"""Options that several commands have, as typer reads them."""

from __future__ import annotations

from typing import Annotated

import typer

EPILOG = "Exit codes: 0 done, 1 provider or network error, 2 usage or configuration, 130 interrupted."

Model = Annotated[
    str | None, typer.Option("-m", "--model", metavar="PROVIDER:MODEL", help="Or the variable MIIFLOW_LLM_MODEL.")
]
Route = Annotated[
    str | None, typer.Option("-r", "--route", metavar="NAME", help="A route or trial of the configuration.")
]
CacheStore = Annotated[
    str | None,
    typer.Option("--cache", metavar="PATH|config", help="Keep answers in this SQLite file, or as [cache] says."),
]
Config = Annotated[str | None, typer.Option("--config", help="A TOML or JSON file, as MIIFLOW_LLM_CONFIG names one.")]
BaseUrl = Annotated[str | None, typer.Option("--base-url", help="Another address than the provider's.")]
DialectName = Annotated[str | None, typer.Option("--dialect", help="Another format that the provider speaks.")]
System = Annotated[str | None, typer.Option("-s", "--system", help="Instructions above the conversation.")]
Images = Annotated[list[str] | None, typer.Option("--image", help="A file or a URL; repeatable.")]
Attachments = Annotated[
    list[str] | None,
    typer.Option("-a", "--attach", metavar="PATH|URL|-", help="A picture, PDF, sound or text; repeatable."),
]
SchemaOf = Annotated[
    str | None,
    typer.Option("--schema", metavar="FILE|FIELDS", help="What the answer follows: a file, or 'name, age int'."),
]
Temperature = Annotated[float | None, typer.Option("-t", "--temperature")]
MaxTokens = Annotated[int | None, typer.Option("--max-tokens", min=1)]
Reasoning = Annotated[str | None, typer.Option("--reasoning", help="off, low, medium, high ..., or tokens.")]
Settings = Annotated[str, typer.Option("--parameters", help='More of the call, as JSON: {"top_p": 0.5}')]
Seconds = Annotated[float | None, typer.Option("--timeout", min=0.001, help="Seconds for each single wait.")]
EnvFile = Annotated[str, typer.Option("--env-file", help="Read for variables that are not set.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, one value a line.")]
Stream = Annotated[bool, typer.Option("--stream/--no-stream", help="As it comes, or in one piece.")]
GoOn = Annotated[bool, typer.Option("-c", "--continue", help="Go on with the last conversation.")]
Cid = Annotated[str | None, typer.Option("--cid", metavar="ID", help="Go on with this conversation.")]
Keep = Annotated[bool | None, typer.Option("--log/--no-log", help="Keep this turn, or not.")]
Extract = Annotated[bool, typer.Option("-x", "--extract", help="Only the first code block of the answer.")]
ExtractLast = Annotated[bool, typer.Option("--extract-last", help="Only its last code block.")]
Tools = Annotated[
    list[str] | None,
    typer.Option("--tool", metavar="MODULE:FUNCTION", help="A function that the model may call; repeatable."),
]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Run the model's calls without asking.")]
TemplateName = Annotated[
    str | None, typer.Option("-T", "--template", metavar="NAME", help="A template of the configuration.")
]
Places = Annotated[
    list[str] | None, typer.Option("-p", "--param", metavar="NAME=VALUE", help="Fills $NAME in it; repeatable.")
]

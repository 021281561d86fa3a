"""`zonepulse acl`: who may do what at the broker, by role."""

from typing import Annotated

import typer

from zonepulse.streams import servers
from zonepulse.streams.access import rules
from zonepulse.streams.access.roles import Role, roles
from zonepulse.streams.access.strimzi import strimzi_users
from zonepulse.streams.exit_codes import FAILED
from zonepulse.streams.screen import BadInput, JsonOption, print_json, say
from zonepulse.streams.settings import Settings

RoleArgument = Annotated[list[str] | None, typer.Argument(metavar="[ROLE]...", help="only these roles")]
PrincipalOption = Annotated[
    str, typer.Option("--principal", help="the broker's name of a role's user; {role} stands for the role", metavar="TEXT")
]
BY_NAME = "User:{role}"
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def acl() -> None:
    """Rights at the broker by role: a gateway sends readings only, each task has its own topics and group, a replay reads."""


@app.command("print")
def print_rules(
    role: RoleArgument = None,
    principal: PrincipalOption = BY_NAME,
    commands: Annotated[bool, typer.Option("--commands", help="as calls of Apache Kafka's kafka-acls")] = False,
    strimzi: Annotated[
        bool, typer.Option("--strimzi", help="as KafkaUser resources of a Strimzi cluster named zonepulse (Kubernetes)")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show the rules; no broker is asked."""
    chosen = _chosen(servers.settings(), role)
    wanted = rules.acls(chosen, _checked(principal))
    if json:
        print_json(
            {"roles": {r.name: {"about": r.about, "rules": [rules.line(a) for a in rules.acls([r], principal)]} for r in chosen}}
        )
    elif strimzi:
        say(strimzi_users(chosen).rstrip())
    elif commands:
        say(*map(rules.command, wanted))
    else:
        for one in chosen:
            say(f"{one.name}: {one.about}", *(f"  {rules.line(a)}" for a in rules.acls([one], principal)))


@app.command()
def apply(
    role: RoleArgument = None,
    principal: PrincipalOption = BY_NAME,
    remove: Annotated[bool, typer.Option("--remove", help="take away what these users may beyond their roles")] = False,
    json: JsonOption = False,
) -> None:
    """Write the rules that are missing, as a user who may alter the cluster."""
    settings = servers.settings()
    wanted = rules.acls(_chosen(settings, role), _checked(principal))
    _show(
        rules.apply(servers.require_broker(settings), wanted, remove_foreign=remove),
        ("written", "removed" if remove else "beyond the roles"),
        json,
    )


@app.command()
def check(role: RoleArgument = None, principal: PrincipalOption = BY_NAME, json: JsonOption = False) -> None:
    """Compare the broker's rules with the roles; exit code 1 where they differ."""
    settings = servers.settings()
    wanted = rules.acls(_chosen(settings, role), _checked(principal))
    found = rules.drift(servers.require_broker(settings), wanted)
    _show(found, ("missing", "beyond the roles"), json)
    if found.missing or found.foreign:
        raise typer.Exit(FAILED)


def _chosen(settings: Settings, names: list[str] | None) -> list[Role]:
    known = roles(settings.topic_prefix)
    if unknown := [name for name in names or () if name not in known]:
        raise BadInput(f"no role {unknown[0]!r}; there are {', '.join(known)}")
    return [known[name] for name in names or known]


def _checked(principal: str) -> str:
    if "{role}" not in principal or ":" not in principal:
        raise BadInput(f"--principal is {principal!r}, expected a text such as {BY_NAME!r}, with {{role}} in it")
    return principal


def _show(found: rules.Drift, words: tuple[str, str], json: bool) -> None:
    parts = {words[0]: list(map(rules.line, found.missing)), words[1]: list(map(rules.line, found.foreign))}
    if json:
        print_json({word.replace(" ", "_"): lines for word, lines in parts.items()})
    elif not any(parts.values()):
        say("the broker's rules are the roles'")
    else:
        say(*(f"{word}: {line}" for word, lines in parts.items() for line in lines))

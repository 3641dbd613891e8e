"""The command line: ``coachsim serve | desk | user | token | roster | clear-down | audit | log | …``.

Errors go to standard error in one sentence; the exit code is 2 for wrong use and 1 for a failure. What needs the log
asks the running server where there is one, and opens the log itself where there is none. Accounts are changed in their
own file, which a running server notices at once.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import coachsim
from coachsim.cli import audit, backup, experiments, fit, keeping, logs, machine, serving, users
from coachsim.errors import CoachsimError
from coachsim.models import COMMAND_LINE

if TYPE_CHECKING:
    from coachsim.host import FloorHost
    from coachsim.models import Agent

_Result = TypeVar("_Result")
DEFAULT_DATA = Path("data/live")
PRACTICE_DATA = Path("data/practice")
_INTERRUPTED = "Query interrupted"  # what DuckDB makes of a Ctrl-C during a query: a bare RuntimeError that says this


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        # What was done must not fail for a character that the terminal, or UTF-8, does not have.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        _run(argv)
    except CoachsimError as error:
        print(error.message + machine.closed_to(error), file=sys.stderr)
        for fault in getattr(error, "faults", []):
            if fault not in error.message:
                print(f"  {fault}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename or 'A file'}: {error.strerror or error}.{machine.closed_to(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except RuntimeError as error:
        if str(error) != _INTERRUPTED:
            raise
        return 130
    return 0


def _run(argv: Sequence[str] | None) -> None:
    arguments = _parser().parse_args(argv)
    if arguments.data is None:
        practice = getattr(arguments, "practice", None)
        arguments.data = Path(os.environ.get("COACHSIM_DATA") or (PRACTICE_DATA if practice else DEFAULT_DATA))
    elif getattr(arguments, "url", None) is not None:
        arguments.wrong_use("give --data or --url, not both")
    command: Callable[[argparse.Namespace], None] = arguments.command
    command(arguments)


# --- commands ---


def _serve(arguments: argparse.Namespace) -> None:
    from coachsim.server.app import Server
    from coachsim.server.site import Options

    if arguments.practice and arguments.roster:
        arguments.wrong_use("a practice floor has the agents of its scenario: leave --roster out")
    if not arguments.practice and (arguments.speed, arguments.seed) != (None, None):
        arguments.wrong_use("--speed and --seed belong to --practice")
    serving.set_up_logging(verbose=arguments.verbose)
    options = Options(
        data_dir=arguments.data,
        address=arguments.host,
        port=arguments.port,
        roster=arguments.roster,
        desk=arguments.desk,
        desk_file=arguments.desk_file,
        proxies=serving.proxies_of(arguments),
        identity_provider=arguments.identity_provider,
        sign_out_path=arguments.sign_out_path,
        practice=arguments.practice,
        speed=60.0 if arguments.speed is None else arguments.speed,
        seed=1 if arguments.seed is None else arguments.seed,
    )

    async def serve() -> None:
        server = await Server.start(options)
        print(f"coachsim is serving {arguments.data} at {server.url}/", flush=True)
        if server.site.setup_token is not None:
            print(f"Make the admin account: {server.url}/setup?token={server.site.setup_token}", flush=True)
        for one in server.site.shown:
            print(f"  {one.account.name:<12} {one.password:<14} {one.says}", flush=True)
        machine.tell_systemd(f"serving {arguments.data} at {server.url}/")
        await server.run()

    asyncio.run(serve())


def _agents(csv: Path) -> list[Agent]:
    """The agents of the roster that a command was given; ``-`` is standard input."""
    from coachsim import roster

    return roster.read(sys.stdin.buffer.read()) if str(csv) == "-" else roster.load(csv)


def _roster_check(arguments: argparse.Namespace) -> None:
    agents = _agents(arguments.csv)
    print(f"{arguments.csv} is in order: {_number(len(agents), 'agent')}.")


def _roster_load(arguments: argparse.Namespace) -> None:
    from coachsim import roster
    from coachsim.events import AgentChanged
    from coachsim.floor import Floor
    from coachsim.server.local import RunningServer

    agents = _agents(arguments.csv)
    server = RunningServer.find(arguments.data)
    if server is not None:
        changed = server.post("/api/roster", content=roster.write(agents).encode())["changed"]
    else:

        async def load(host: FloorHost) -> int:
            events = await host.do(Floor.set_agents, agents, actor=COMMAND_LINE)
            return sum(isinstance(event, AgentChanged) for event in events)

        changed = _on_floor(arguments.data, load)
    print(f"{_number(len(agents), 'agent')} in the roster, {changed} of them new or changed.")


def _clear_down(arguments: argparse.Namespace) -> None:
    from coachsim.server.local import RunningServer

    server = RunningServer.find(arguments.data)
    if server is not None:
        server.post("/api/clear-down")
    else:

        async def clear(host: FloorHost) -> None:
            await host.clear_down(actor=COMMAND_LINE)

        _on_floor(arguments.data, clear)
    print("Cleared down: all inboxes are empty now.")


def _simulate(arguments: argparse.Namespace) -> None:
    scenario = coachsim.Scenario.load(arguments.scenario)
    with coachsim.simulate(scenario, seed=arguments.seed, days=arguments.days, out=arguments.out) as log:
        counts = log.sql("SELECT count(*) AS sent, count(read_at) AS read FROM deliveries")
    sent, read = (int(counts[name].iloc[0]) for name in ("sent", "read"))
    days = "a day" if arguments.days == 1 else f"{arguments.days} days"
    print(f"Simulated {days} into {arguments.out}: {sent:,} deliveries, {read:,} of them read.")


# --- helpers ---


def _on_floor(data_dir: Path, action: Callable[[FloorHost], Coroutine[Any, Any, _Result]]) -> _Result:
    """Does something to a floor that no server has open."""
    from coachsim.host import FloorHost
    from coachsim.settings import Settings

    async def run() -> _Result:
        host = await FloorHost.open(data_dir, Settings.load(data_dir))
        try:
            return await action(host)
        finally:
            await host.close()

    return asyncio.run(run())


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


# --- arguments ---


class _Parser(argparse.ArgumentParser):
    """Wrong use is one sentence and exit code 2."""

    def error(self, message: str) -> NoReturn:
        print(f"{message[:1].upper()}{message[1:]}. See '{self.prog} --help'.", file=sys.stderr)
        raise SystemExit(2)


def _parser() -> argparse.ArgumentParser:
    where = _Parser(add_help=False)
    where.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help=f"the floor's folder (else $COACHSIM_DATA, else {DEFAULT_DATA}; with --practice {PRACTICE_DATA})",
    )
    parser = _Parser(prog="coachsim", description="The coaching desk of a contact centre.")
    parser.add_argument("--version", action="version", version=f"coachsim {coachsim.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(group: argparse._SubParsersAction[_Parser], name: str, run: object, about: str) -> _Parser:
        made = group.add_parser(name, parents=[where], help=about, description=about[:1].upper() + about[1:] + ".")
        made.set_defaults(command=run)
        return made

    def group(name: str, about: str) -> argparse._SubParsersAction[_Parser]:
        made = commands.add_parser(name, help=about, description=about[:1].upper() + about[1:] + ".")
        return made.add_subparsers(title="commands", metavar="COMMAND", required=True)

    serve = command(commands, "serve", _serve, "run the server of a floor")
    serve.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="address to serve (this machine only)")
    serve.add_argument("--port", type=_port, default=8800, help="port to serve (8800; 0 = any free one)")
    serve.add_argument("--roster", type=Path, metavar="CSV", help="load this roster at every start")
    about = "without the pages of supervisors, analysts and trainers (no Voila)"
    serve.add_argument("--no-desk", dest="desk", action="store_false", help=about)
    about = "a practice floor, played from this scenario: a TOML file, or one that comes with coachsim, such as weekday"
    serve.add_argument("--practice", type=Path, metavar="SCENARIO", help=about)
    serve.add_argument("--speed", type=float, metavar="N", help="floor seconds in a second of the wall (practice; 60)")
    serve.add_argument("--seed", type=int, metavar="N", help="which draw of the scenario's days (practice; 1)")
    serve.set_defaults(wrong_use=serve.error)
    serving.add_desk_option(serve)
    serving.add_proxy_options(serve)
    serve.add_argument("--verbose", action="store_true", help="log every request")

    about = "run the desk (Voila) apart from the server, under another user"
    serving.add_desk_command(command(commands, "desk", serving.desk, about))

    users.add_commands(commands, group, command)
    rosters = group("roster", "the agents, from a CSV file")
    for name, run, about in (
        ("check", _roster_check, "check a roster and change nothing"),
        ("load", _roster_load, "load a roster: all of it, or nothing where it has a fault"),
    ):
        command(rosters, name, run, about).add_argument(
            "csv", type=Path, metavar="CSV", help="a file, or - for standard input"
        )
    simulate = command(commands, "simulate", _simulate, "play a scenario's day, or several, into a log of their own")
    about = "a TOML file, or a scenario that comes with coachsim, such as weekday"
    simulate.add_argument("scenario", type=Path, metavar="SCENARIO", help=about)
    simulate.add_argument("--seed", type=int, required=True, metavar="N", help="the same seed gives the same days")
    simulate.add_argument("--days", type=int, default=1, metavar="N", help="so many days, one after the other (1)")
    simulate.add_argument("--out", type=Path, required=True, metavar="FILE", help="the log to make (DuckDB)")
    about = "compare scenarios, each played with the same seeds"
    experiments.add_arguments(command(commands, "compare", experiments.compare, about))
    fit.add_arguments(command(commands, "fit", fit.fit, "learn from a log how its agents come to read"))
    command(commands, "clear-down", _clear_down, "empty all inboxes now, by hand")
    about = "copy all that a floor cannot do without to a folder, also while the server runs"
    backup.add_arguments(command(commands, "backup", backup.backup, about))
    audit.add_command(commands, command)
    about_log = group("log", "the message log")
    logs.add_commands(about_log, command)
    keeping.add_commands(about_log, command)
    return parser


def _port(value: str) -> int:
    if not value.isdigit() or int(value) > 65_535:
        raise argparse.ArgumentTypeError(f"{value!r} is no port; use 0 to 65535")
    return int(value)

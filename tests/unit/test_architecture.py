"""The arrows between the modules (ARCHITECTURE.md): who may import whom, read from the source without importing it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "coachsim"

# A part may import the parts of earlier lines, and itself. Nothing of a later line, and no other part of its own line.
LAYERS = [
    {"errors", "people", "people.draws", "people.presence", "days"},
    {"when"},
    {"models", "settings", "faults", "intervals", "addresses", "light_httpx"},
    {"events", "outcome", "templates", "bundled", "wording"},
    {"shelf", "people.looks", "people.sent"},
    {"state", "clock", "roster", "scenario", "tally", "spread"},
    {"audience", "people.attention", "variants", "people.rota", "sends"},
    {"people.shifts", "people.minds", "scheduling", "people.habits"},
    {"anyway"},
    {"advice"},
    {"floor", "plan"},
    {"views", "engine", "evaluate"},
    {"log", "frames", "enact"},  # the log answers for a closed day in the shapes of views
    {"commits", "past_days"},
    {"host", "simulation"},
    {"keeping"},
    {"experiment"},
    {"analysis"},
    {"fitting"},
    {"charts"},
    {"practice"},
    {"adviser"},
    {"client"},
    {"remote"},
    {"server", "pages"},
    {"cli"},
]
LAYER_OF = {part: number for number, layer in enumerate(LAYERS) for part in layer}

# Packages that only these parts may import.
RESERVED = {
    "tornado": {"server", "cli"},
    "jupyter_server": {"server", "cli"},
    "jupyter_server_proxy": {"server"},
    "prometheus_client": {"server"},
    "argon2": {"server"},
    "pydantic": {"server", "scenario", "faults", "fitting", "adviser"},
    "sqlite3": {"server"},
    "voila": {"server"},  # in a kernel, importing it takes 8 s
    "ipywidgets": {"pages"},
    "ipyvue": {"pages"},
    "ipyvuetify": {"pages"},
    "anywidget": {"pages"},
    "traitlets": {"pages", "server"},
    "IPython": {"pages"},
    "simpy": {"engine"},
    "duckdb": {"log"},
    "pyarrow": {"log"},
    "pandas": {"log", "analysis", "experiment", "fitting"},
    "scipy": {"intervals", "fitting", "advice"},
    "tqdm": {"experiment"},
    "distributed": {"experiment"},
    "altair": {"charts", "pages"},
    "vl_convert": {"charts"},
    "tomli_w": {"scenario", "fitting"},
    "httpx": {"light_httpx", "log", "cli", "server"},
}

# The rules, and what shows them: no clock, no input or output, no chance.
PURE = {"errors", "when", "models", "events", "days", "state", "audience", "scheduling", "floor", "views", "frames"}
PURE |= {"templates", "shelf", "wording"}
# A plan draws by key from its seed, and a player has the time that the plan gives it.
PURE |= {part for part in LAYER_OF if part.startswith("people.")} | {"sends", "plan", "engine"}
# What follows from a plan, and what is counted of it.
PURE |= {"outcome", "evaluate", "enact", "tally", "intervals", "spread", "anyway", "advice"}
IMPURE = {"asyncio", "io", "logging", "os", "pathlib", "random", "secrets", "socket", "sys", "threading", "time"}


def modules() -> list[str]:
    return sorted(
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in PACKAGE.rglob("*.py")
    )


def source(module: str) -> tuple[Path, ast.Module]:
    path = PACKAGE.parent.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return path, ast.parse(path.read_text(encoding="utf-8"), str(path))


def part_of(module: str) -> str:
    """``coachsim.server.app`` belongs to the part server; ``people`` is a shelf of parts, each in a line of its own."""
    name, *inner = module.split(".")[1:]
    return f"{name}.{inner[0]}" if name == "people" and inner else name


def imports(module: str) -> Iterator[str]:
    """Full names of all that the module imports, anywhere in it; ``from coachsim import x`` gives coachsim.x."""
    path, tree = source(module)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            else:
                base = node.module or ""
            yield from (f"{base}.{alias.name}" for alias in node.names)


INNER = [module for module in modules() if module != "coachsim" and not module.endswith("__main__")]


@pytest.mark.parametrize("module", INNER)
def test_arrows_run_one_way(module: str) -> None:
    part = part_of(module)
    assert part in LAYER_OF, f"{module} is new: give it a line in LAYERS here, and one in ARCHITECTURE.md"
    for name in imports(module):
        if name.startswith("coachsim.") and name != "coachsim.__version__":
            other = part_of(name)
            assert other == part or LAYER_OF[other] < LAYER_OF[part], f"{module} must not import {name}"


@pytest.mark.parametrize("module", INNER)
def test_packages_are_imported_only_where_they_belong(module: str) -> None:
    for name in imports(module):
        allowed = RESERVED.get(name.split(".")[0])
        assert allowed is None or part_of(module) in allowed, f"{module} must not import {name}"


@pytest.mark.parametrize("module", [module for module in INNER if part_of(module) in PURE])
def test_the_rules_have_no_clock_and_do_no_input_or_output(module: str) -> None:
    names = {name.split(".")[0] for name in imports(module)}
    assert not names & IMPURE
    for node in ast.walk(source(module)[1]):
        if isinstance(node, ast.Attribute):
            assert node.attr not in ("now", "today", "utcnow") or not _is_datetime(node.value), f"{module} asks a clock"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("open", "print", "input"), f"{module}, line {node.lineno}"


def _is_datetime(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("datetime", "date")


def test_pages_reach_the_floor_only_through_a_client() -> None:
    for module in (module for module in INNER if part_of(module) == "pages"):
        for name in imports(module):
            if name.startswith("coachsim."):
                allowed = {"pages", "client", "remote", "errors", "models", "days", "wording"}
                if module.split(".")[2:] and module.split(".")[2].startswith(("what_if", "message_log")):
                    allowed |= {"log", "analysis", "charts", "scenario", "variants", "plan", "experiment", "tally"}
                    allowed |= {"intervals", "bundled", "fitting"}
                assert part_of(name) in allowed, f"{module} must not import {name}"


@pytest.mark.parametrize("module", modules())
def test_modules_are_short_and_say_what_they_hold(module: str) -> None:
    path, tree = source(module)
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500
    first = (ast.get_docstring(tree) or "").split("\n")[0]
    assert first.endswith("."), f"the first line of {module} is no sentence of its own: {first!r}"


HEAVY = {
    *("altair", "anywidget", "argon2", "distributed", "duckdb", "httpx", "ipyvuetify", "ipywidgets", "IPython"),
    *("jinja2", "jupyter_server", "numpy", "pandas", "prometheus_client", "pyarrow", "pydantic", "scipy", "simpy"),
    *("tornado", "tqdm", "traitlets", "vl_convert", "voila"),
}


def loaded_by(code: str) -> set[str]:
    """The packages that a new Python has loaded after running ``code``."""
    script = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()}


def test_import_coachsim_is_light() -> None:
    assert not loaded_by("import coachsim; coachsim.CoachsimError; dir(coachsim)") & HEAVY


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["log", "export", "--help"], ["--version"]])
def test_help_on_the_command_line_is_light(arguments: list[str]) -> None:
    said = f"from coachsim.cli import main\ntry:\n    main({arguments})\nexcept SystemExit:\n    pass"
    assert not loaded_by(said) & HEAVY


def test_what_is_heavy_is_installed_under_these_names() -> None:
    assert not [name for name in HEAVY if find_spec(name) is None]


def test_a_coaching_pages_kernel_loads_no_database() -> None:
    assert not loaded_by("import coachsim; coachsim.CoachingPage; import coachsim.remote") & {
        "pandas",
        "duckdb",
        "pyarrow",
    }

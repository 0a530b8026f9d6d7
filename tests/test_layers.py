"""The house rules of the package, read from its code: who may import whom, and what may not occur at all."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, environment

import nmt

PACKAGE = Path(nmt.__file__).parent
ROOMS = (
    "errors",
    "config",
    "files",
    "workers",
    "text",
    "runtime",
    "data",
    "model",
    "exchange",
    "decoding",
    "evaluation",
    "training",
    "runs",
)
ROOMS += ("corpus", "cli")  # a module imports only from rooms before its own, or from its own
FRONT_DOORS = {"nmt", "nmt.__main__"}
"""`nmt` offers the Translator to users and its version to all rooms; it imports nothing by itself."""
MODULES = {
    ".".join(("nmt", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "os.system", "os.popen", "torch.load", "torch.save"}


def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def imported(module: str) -> Iterator[str]:
    """All that a module imports anywhere in it; of `from a import b` it is a.b where that is a module of nmt."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            assert node.module
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                yield inner if inner in MODULES else node.module


def room(module: str) -> int:
    name = module.split(".")[1]
    assert name in ROOMS, f"{module}: a new room; give it its place in ROOMS and in the design"
    return ROOMS.index(name)


def dotted(node: ast.expr) -> str:
    match node:
        case ast.Name(name):
            return name
        case ast.Attribute(value, name):
            return f"{dotted(value)}.{name}"
    return ""


@pytest.mark.parametrize("module", sorted(MODULES.keys() - FRONT_DOORS))
def test_a_module_imports_only_from_rooms_above_it(module: str) -> None:
    """fairseq imports 441 files to train a tiny model: everything there knows everything."""
    ours = {name for name in imported(module) if name.split(".")[0] == "nmt"} - FRONT_DOORS
    wrong = sorted(name for name in ours if room(name) > room(module))
    assert not wrong, f"{module} imports {', '.join(wrong)}"


def test_no_import_goes_in_a_circle() -> None:
    ours = {module: {name for name in imported(module) if name in MODULES} - FRONT_DOORS for module in MODULES}
    left = {module: names - {module} for module, names in ours.items() if module not in FRONT_DOORS}
    while left:  # take away what imports nothing that is left, and what nothing that is left imports
        used = set().union(*left.values())
        inside = {module: names & left.keys() for module, names in left.items() if module in used}
        inside = {module: names for module, names in inside.items() if names}
        assert len(inside) < len(left), f"these import each other: {', '.join(sorted(left))}"
        left = inside


def test_the_first_rooms_do_not_import_torch_even_through_others() -> None:
    """Tokenizing, and every --help, would take seconds: torch alone needs more than one."""
    early = [name for name in MODULES if name not in FRONT_DOORS and room(name) <= ROOMS.index("text")]
    assert {"nmt.errors", "nmt.config.training", "nmt.files.lines", "nmt.text.tokenizer"} <= set(early)
    assert not [name for name in early if "torch" in {one.split(".")[0] for one in imported(name)}]
    code = f"import sys; import {', '.join(early)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=environment(), cwd=ROOT).returncode == 0


@pytest.mark.parametrize(
    ("library", "where"),
    [("typer", {"nmt.cli"}), ("click", {"nmt.cli"}), ("rich", {"nmt.cli", "nmt.training.progress"})],
)
def test_terminal_libraries_stay_where_people_are_spoken_to(library: str, where: set[str]) -> None:
    users = {module for module in MODULES if library in {name.split(".")[0] for name in imported(module)}}
    strangers = {module for module in users if not any(f"{module}.".startswith(f"{place}.") for place in where)}
    assert not strangers


@pytest.mark.parametrize("module", sorted(MODULES))
def test_nothing_is_unpickled_evaluated_or_given_to_a_shell(module: str) -> None:
    """A model file from the network must not be able to run code: torch.load of fairseq's and OpenNMT's models can."""
    roots = {name.split(".")[0] for name in imported(module)}
    assert not roots & FORBIDDEN_MODULES
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load):
            assert dotted(node) not in FORBIDDEN_CALLS, f"{module}, line {node.lineno}"
        if isinstance(node, ast.ImportFrom):
            assert not {f"{node.module}.{name.name}" for name in node.names} & FORBIDDEN_CALLS
        if isinstance(node, ast.keyword) and node.arg in ("shell", "allow_pickle"):
            assert isinstance(node.value, ast.Constant), f"{module}, line {node.lineno}"
            assert node.value.value is False, f"{module}, line {node.lineno}"


@pytest.mark.parametrize("module", sorted(name for name in MODULES if not name.startswith("nmt.cli")))
def test_the_library_neither_prints_nor_exits(module: str) -> None:
    """The library raises, the command line speaks: a caller from Python must not lose its process."""
    called = {dotted(node.func) for node in ast.walk(tree(module)) if isinstance(node, ast.Call)}
    assert not called & {"print", "sys.exit", "exit", "quit", "os._exit"}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_files_and_functions_are_short(module: str) -> None:
    """Sockeye's train() has 275 lines, JoeyNMT's beam search 481: nobody sees the whole."""
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= 350
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 60, f"{module}.{node.name} has {length} lines"


LATE_IMPORTS = {
    "nmt",  # the Translator, which brings torch
    "nmt.evaluation.comet",  # the rest are extras, which may be missing
    "nmt.exchange.ctranslate2",
    "nmt.exchange.marian_export",
    "nmt.decoding.engines",  # torch, which takes over a second, only where it is needed
    "nmt.files.lines",
    "nmt.text.clean",
    "nmt.training.metrics_log",
    "nmt.runtime",  # resource, which Windows lacks
    "nmt.decoding.mbr",  # sacrebleu, see tests/model/test_cold_start.py
    "nmt.text.repair",  # ftfy, seldom needed
}


@pytest.mark.parametrize("module", sorted(name for name in MODULES if not name.startswith("nmt.cli")))
def test_imports_stand_at_the_top_but_in_commands_and_for_extras(module: str) -> None:
    late = [
        node
        for function in ast.walk(tree(module))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert not late or module in LATE_IMPORTS, f"{module}, line {late[0].lineno}"

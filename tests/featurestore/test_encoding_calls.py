"""Trainer, scorer, backfill and parity reach one encoding, and nobody makes model inputs in another way.

The calls are walked twice: as they are written (every name that a function mentions, within the modules that its
entry imports), and as they run.
"""

import ast
import functools
import sys
from collections.abc import Iterator

import pytest

from driftline.inspect.rescoring import Rescorer
from featurestore.bins.edge_table import EdgeTable
from featurestore.encoding.encode import encode
from model.serving import Predictor
from scoring.ranker import rank
from tests.support.scoring_samples import make_read, make_request
from tests.support.trainer_world import World, small_settings, snapshot_of, trained
from tests.test_rooms import ROOMS, ROOT
from vocab.replica.frozen_vocabulary import FrozenVocabulary

ENCODING = "featurestore/encoding/encode.py"
REFERENCE = "featurestore/encoding/reference.py"

# What turns features into model inputs, and where it may be called from: the encoding, its slow definition, and the
# method that wraps a kernel.
STEPS = {
    "lookup": {ENCODING, REFERENCE},
    "discretize": {ENCODING},
    "ModelInputs": {ENCODING, REFERENCE},
    "slots_into": {"vocab/replica/frozen_vocabulary.py"},
    "rows_into": {"featurestore/bins/edge_table.py"},
}

# Who encodes: (file, function) where it begins. Backfill scores the log of `examples` anew; parity is the test that
# compares what is served with what is trained.
ENTRIES = {
    "trainer": ("trainer/service.py", "run"),
    "scorer": ("scoring/service.py", "run"),
    "a snapshot before it serves": ("scoring/hot_swap.py", "load_warm"),
    "backfill": ("driftline/inspect/backfill.py", "backfill"),
    "parity": ("tests/model/test_serving.py", "test_served_logits_are_what_training_predicts"),
}
OTHERS = {"a worker": ("streams/app.py", "create_app"), "replay": ("driftline/cli/replay.py", "replay")}


def files() -> list[str]:
    return [path.relative_to(ROOT).as_posix() for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


@functools.cache
def parsed(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_bytes())


def called(tree: ast.AST) -> Iterator[str]:
    """The last name of everything that is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id
            elif isinstance(node.func, ast.Attribute):
                yield node.func.attr


@pytest.mark.parametrize("step", STEPS)
def test_model_inputs_are_made_by_the_encoding_alone(step: str) -> None:
    assert {name for name in files() if step in called(parsed(name))} == STEPS[step]


def imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(module, name) of every `from module import name`, within functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield node.module, alias.name


def encodes(name: str) -> bool:
    return ("featurestore.encoding.encode", "encode") in imported(parsed(name))


def test_the_encoding_is_called_by_the_learner_and_the_predictor_alone() -> None:
    assert {name for name in files() if encodes(name)} == {"trainer/learner.py", "model/serving.py"}
    for name in files():
        assert ("featurestore", "encoding") not in imported(parsed(name)), f"{name} hides its calls behind the module"
        assert not any(module == "featurestore.encoding.reference" for module, _ in imported(parsed(name)))


def closure(name: str) -> set[str]:
    """The files that importing `name` may bring in, itself included."""
    found, waiting = set(), [name]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            modules = {part for module, item in imported(parsed(name)) for part in (module, f"{module}.{item}")}
            paths = (f"{module.replace('.', '/')}{end}" for module in modules for end in (".py", "/__init__.py"))
            waiting += [path for path in paths if path.split("/")[0] in {*ROOMS, "tests"} and (ROOT / path).is_file()]
    return found


def functions(name: str) -> Iterator[tuple[str, ast.AST]]:
    """(name, body) of the functions and methods of a file; a class goes by its own name to its `__init__`."""
    for node in ast.walk(parsed(name)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((node.name, item) for item in node.body if getattr(item, "name", "") == "__init__")


def reached(entry: tuple[str, str]) -> set[tuple[str, str]]:
    """(file, function) of all that the entry may come to call: what it mentions, what that mentions, and so on."""
    bodies: dict[str, list[tuple[str, ast.AST]]] = {}
    for file in closure(entry[0]):
        for function, body in functions(file):
            bodies.setdefault(function, []).append((file, body))
    found: set[tuple[str, str]] = set()
    waiting = [(entry[1], file, body) for file, body in bodies[entry[1]] if file == entry[0]]
    assert waiting, f"there is no {entry[1]} in {entry[0]}"
    while waiting:
        function, file, body = waiting.pop()
        if (file, function) not in found:
            found.add((file, function))
            names = {node.attr for node in ast.walk(body) if isinstance(node, ast.Attribute)}
            names |= {node.id for node in ast.walk(body) if isinstance(node, ast.Name)}
            waiting += [
                (name, where, other)
                for name in names
                for where, other in bodies.get(name, [])
                if where != ENCODING or name != "encode" or encodes(file)
            ]
    return found


@pytest.mark.parametrize("who", ENTRIES)
def test_whoever_encodes_comes_to_the_one_encoding(who: str) -> None:
    assert (ENCODING, "encode") in reached(ENTRIES[who])


@pytest.mark.parametrize("who", OTHERS)
def test_who_does_not_encode_does_not_come_to_it(who: str) -> None:
    assert (ENCODING, "encode") not in reached(OTHERS[who])


def test_what_runs_makes_its_inputs_in_the_encoding_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    callers: list[object] = []

    def watch(owner: type, method: str) -> None:
        original = getattr(owner, method)

        def watched(*arguments: object) -> object:
            callers.append(sys._getframe(1).f_code)
            return original(*arguments)

        monkeypatch.setattr(owner, method, watched)

    def encodings() -> int:
        """How many there were since it was last asked: one look-up and two discretizations each."""
        assert set(callers) <= {encode.__code__}
        count, rest = divmod(len(callers), 3)
        callers.clear()
        assert rest == 0
        return count

    watch(FrozenVocabulary, "lookup")
    watch(EdgeTable, "discretize")
    world = World()
    learner = trained(world, small_settings(""), 5)
    assert encodings() == 1
    predictor = Predictor(snapshot_of(learner))
    rank([make_request(0), make_request(1)], make_read([3, 4]), predictor, 0, lambda: 0)
    assert encodings() == 1
    rank([make_request(0, explain=True)], make_read([3]), predictor, 0, lambda: 0)
    assert encodings() == 2
    Rescorer(predictor).observe(0, 0, world.examples(5)[0])
    assert encodings() == 1

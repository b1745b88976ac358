"""A fault is made of everything that may be one, and the run that tries them tells the truth."""

import subprocess
import sys

import pytest

from tests.mutation import run
from tests.mutation.mutants import mutants


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        ("return a < 1", ["return None", "a <= 1", "a >= 1", "a < 2", "a < 0"]),
        ("return a and b and c", [
            "return None", "a or b or c", "b and c", "a and c", "a and b",
        ]),
        ("return max(a, b)", ["return None", "min(a, b)", "a", "b"]),
        ("return not any(a)", ["return None", "any(a)", "all(a)"]),
        ("return -a + b * 2", [
            "return None", "-a - b * 2", "a", "b // 2", "b * 3", "b * 1",
        ]),
        ("return {K.A: 'x', K.B: b''}", [
            "return None", "''", "b'mutant'", "without K.A", "without K.B",
        ]),
        ("if a:\n        raise E('x', True)", [
            "True", "False", "without raise E('x', True)", "E('x')", "E('', True)",
            "E('x', False)",
        ]),
        ("a = {b for b in c if b is not None}", [
            "without a = {b for b in c if b is not None}", "True", "False", "b is None",
        ]),
        ("match a:\n        case K.A | K.B if b: c()\n        case _: d()", [
            "without case K.A | K.B if b:", "without case _:", "K.A", "K.B", "K.A", "K.B",
            "True", "False", "without c()", "without d()",
        ]),
    ],
)  # fmt: skip
def test_a_line_is_spoilt_in_every_small_way(line: str, changes: list[str]) -> None:
    text = f'def f(a: "no" = None) -> "no":\n    """No."""\n    {line}\n'

    made = list(mutants(text))

    assert sorted(m.name.split(" -> ")[-1].removeprefix("f: ") for m in made) == sorted(changes)
    assert len({m.text for m in made} | {text}) == len({m.name for m in made}) + 1


def test_what_no_answer_depends_on_is_left_alone_and_the_same_fault_twice_has_two_names() -> None:
    text = '"""No."""\nfrom a import b\n\n@b(1)\nclass C:\n    d: "no"\n\nD = 1\nE = [2, 2]\n'

    assert [mutant.name for mutant in mutants(text)] == [
        "D: D = 1 -> D = 2",
        "D: D = 1 -> D = 0",
        "E: [2, 2] -> [3, 2]",
        "E: [2, 2] -> [1, 2]",
        "E: [2, 2] -> [2, 3]",
        "E: [2, 2] -> [2, 1]",
    ]


def test_a_survivor_fails_the_run_and_so_does_an_argument_about_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run._report({"a", "b"}, {"a"}, {"a": "why"}) == 0
    assert run._report({"a", "b", "c"}, {"a", "b"}, {"a": "why", "c": "why", "d": "why"}) == 1
    assert capsys.readouterr().out.splitlines() == [
        "mutants 2 · killed 1 · argued 1 · survivors 0",
        "survived: b",
        "argued, but killed: c",
        "argued, but not there: d",
        "mutants 3 · killed 1 · argued 1 · survivors 1 · stale arguments 2",
    ]


@pytest.mark.slow
def test_the_mutants_of_one_function_are_killed_by_its_tests() -> None:
    # In a process of its own: what it forks must not inherit the threads of this one.
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutation.run", "signature._mac"],
        cwd=run.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.splitlines()[1:] == ["mutants 3 · killed 3 · argued 0 · survivors 0"]
    assert done.returncode == 0


def test_every_argument_is_a_sentence_about_a_mutant_there_is() -> None:
    arguments = run.argued()
    shorts = {name.split(".", 1)[0] for name in arguments}
    there = {m.name for short in shorts for m in run.named("", short)}

    assert arguments.keys() - there == set()
    assert {why for why in arguments.values() if not why.endswith(".")} == set()

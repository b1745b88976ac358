"""`./dev run` refuses what would spoil what is already running."""

import fcntl
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_second_run_in_the_same_place_is_refused_in_one_sentence(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("the first run's")
    with (tmp_path / "lock").open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second = subprocess.run(
            [sys.executable, "-m", "demo.run", "--fresh", "--data", str(tmp_path)],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    assert second.returncode == 1
    assert second.stderr == (
        f"Another ./dev run uses {tmp_path}: stop it, or choose another place with --data.\n"
    )
    assert kept.exists()

"""What a log line holds, and what never gets into one."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import logging, structlog
from service import logs
logs.configure("json")
log = structlog.get_logger("service.anything")
log.info("event applied", event_id="evt_1")
try:
    raise ValueError("reader@example.org")
except ValueError as error:
    log.error("job failed", job="nightly", exc_info=error)
    logging.getLogger("some.library").exception("it broke")
"""


def test_a_line_is_json_and_a_failure_is_told_without_its_words() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True
    )
    applied, failed, broke = (json.loads(line) for line in done.stderr.splitlines())

    assert (applied["event"], applied["event_id"], applied["level"]) == (
        "event applied",
        "evt_1",
        "info",
    )
    assert (failed["event"], failed["job"], failed["error"]) == (
        "job failed",
        "nightly",
        "ValueError",
    )
    assert failed["at"] == ["<string>:8 <module>"]
    assert (broke["event"], broke["error"]) == ("it broke", "ValueError")
    assert "reader@example.org" not in done.stdout + done.stderr

"""The local Stripe as the tests hold it: a process of its own, spoken to over HTTP."""

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import httpx2
from stripe import StripeClient

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk_test_tests"
_PATIENCE = 60.0  # seconds; its validators compile while it starts


class LocalStripe:
    """One local Stripe.

    Attributes:
        url: its base address.
        client: the official SDK, speaking to it.
    """

    def __init__(self, url: str, file: Path) -> None:
        self.url = url
        self._file = file
        self.client = StripeClient(KEY, base_addresses={"api": url}, max_network_retries=0)
        self._http = httpx2.Client(base_url=url, timeout=30)

    def control(self, path: str, **what: object) -> dict[str, Any]:
        """Ask the local Stripe for something the real one has no word for."""
        answer = self._http.post(f"/_sandbox/{path.lstrip('/')}", json=what)
        answer.raise_for_status()
        found = answer.json() if answer.content else {}
        assert isinstance(found, dict)
        return found

    def reset(self) -> None:
        """Make it as new: nothing stored, no faults, no time moved."""
        self.control("reset")

    def advance(self, *, days: int = 0, seconds: int = 0) -> None:
        """Move its clock forward; what falls due happens on the way."""
        self.control("advance", days=days, seconds=seconds)

    def rewrite(self, object_id: str, **fields: object) -> None:
        """Give an object a shape that Stripe's may have and this one does not simulate.

        Args:
            object_id: the object.
            fields: its fields by name; of a field within a field, `__` for the dot.
        """
        with closing(sqlite3.connect(self._file, timeout=30)) as store, store:
            for name, value in fields.items():
                store.execute(
                    "UPDATE object SET doc = json_set(doc, ?, json(?)) WHERE id = ?",
                    ("$." + name.replace("__", "."), json.dumps(value), object_id),
                )

    def pay(
        self,
        checkout_url: str,
        card: str = "4242424242424242",
        *,
        email: str = "reader@example.org",
        name: str = "A Reader",
    ) -> str:
        """Fill in the hosted page as a reader would.

        Returns:
            Where the browser is sent: our return page; for a declined card, the page again.
        """
        answer = self.fill_in(checkout_url, card, email=email, name=name)
        if answer.is_redirect:
            return str(answer.headers["location"])
        assert answer.status_code in {200, 402}, answer.text
        return checkout_url

    def fill_in(
        self, page: str, number: str, *, email: str, name: str = "A Reader", by: str = "card"
    ) -> httpx2.Response:
        """Send the form of a hosted page, and return what it answers."""
        typed = {"number": number, "expiry": "12/40", "cvc": "123", "name": name, "email": email}
        place = {"country": "GB", "line1": "1 High St", "postal_code": "CR0 1BD"}
        bank = {"by": by, "sort_code": "10-88-00", "agreed": "yes"} if by != "card" else {}
        return self._http.post(page, data={**typed, **place, **bank, "terms": "yes"})

    def confirm(self, page: str, outcome: str) -> None:
        """Answer the page of the cardholder's bank: `confirm` or `fail`."""
        self._http.post(page, data={"outcome": outcome})

    def try_control(self, path: str, **what: object) -> bool:
        """Ask for something that may not be possible now; tell whether it was."""
        return self._http.post(f"/_sandbox/{path}", json=what).is_success

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()


class StripeProcess:
    """The process behind it."""

    def __init__(self, data: Path, *, port: int, clock_file: Path) -> None:
        self._log = data / "stripe.log"
        self.file = data / "sandbox.sqlite3"
        self.url = f"http://localhost:{port}"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sandbox", "--port", str(port), "--data", str(data),
                 "--clock-file", str(clock_file)],
                cwd=ROOT, stdout=log, stderr=log,
            )  # fmt: skip

    def wait(self) -> Self:
        """Return when it answers."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                httpx2.get(f"{self.url}/v1/products", timeout=5)
            except httpx2.TransportError:
                time.sleep(0.05)
            else:
                return self
        raise RuntimeError(f"the local Stripe did not start: {self._log.read_text()[-4000:]}")

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(20)

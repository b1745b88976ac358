"""A real name server on this machine, which knows what it is told."""

import socket
import threading
import time
from collections.abc import Mapping

from dns.flags import AA
from dns.message import Message, QueryMessage, from_wire, make_response
from dns.name import from_text
from dns.rcode import NXDOMAIN, SERVFAIL, Rcode
from dns.rdatatype import to_text
from dns.reversename import from_address
from dns.rrset import from_text as rrset


class NameServer:
    """A name server that answers by UDP.

    Attributes:
        asked: the questions it heard, oldest first, such as `PTR 1.66.249.66.in-addr.arpa.`.
        silent: it hears, and does not answer.
        slow: seconds it takes over each answer.
        answer: what it says to each question; set it to `SERVFAIL` to make it fail.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.silent = False
        self.slow = 0.0
        self.answer: Rcode | None = None
        self._knows: dict[str, list[str]] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._socket.getsockname()
        return str(host), int(port)

    def start(self) -> None:
        """Listen."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.address)
        self._thread.join()
        self._socket.close()

    def says(self, records: Mapping[str, str | list[str]]) -> None:
        """Know these names as well: `{"A name.example": "192.0.2.1"}`."""
        for question, answers in records.items():
            kind, name = question.split()
            several = [answers] if isinstance(answers, str) else answers
            self._knows[f"{kind} {from_text(name)}".lower()] = several

    def names(self, address: str, *names: str) -> None:
        """Say that an address has these names, whether they lead back to it or not."""
        self.says({f"PTR {from_address(address)}": [str(from_text(name)) for name in names]})

    def _serve(self) -> None:
        while heard := self._socket.recvfrom(512):
            wire, asker = heard
            if not wire:
                return
            answer = self._answer(from_wire(wire))
            if self.silent:
                continue
            time.sleep(self.slow)
            self._socket.sendto(answer.to_wire(), asker)

    def _answer(self, query: Message) -> Message:
        (question,) = query.question
        said = f"{to_text(question.rdtype)} {question.name}"
        self.asked.append(said)
        response = make_response(query)
        assert isinstance(response, QueryMessage)
        response.flags |= AA
        known = self._knows.get(said.lower())
        if self.answer is not None:
            response.set_rcode(self.answer)
        elif known is None:
            response.set_rcode(NXDOMAIN)
        else:
            response.answer.append(rrset(question.name, 60, "IN", to_text(question.rdtype), *known))
        return response


__all__ = ["SERVFAIL", "NameServer"]

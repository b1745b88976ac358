"""Passes verified offline by `deploy/php/pass.php` and `deploy/js/pass.mjs`, as they are."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from pydantic import SecretStr

from billing.access import Reason
from billing.access.passes import Passes
from billing.settings import Paywall, Settings
from tests.deploy import newsroom as newsrooms
from tests.deploy.conftest import DEPLOY
from tests.deploy.newsroom import Newsroom

ISSUER, AUDIENCE = "https://support.example.org", "https://www.example.org"
PHP, NODE = shutil.which("php"), shutil.which("node")

# Verifies every token of standard input at one instant, and prints what each says.
IN_PHP = """
require getenv('PASS_PHP');
$asked = json_decode(stream_get_contents(STDIN), true);
$say = fn(string $token) => verify_pass($token, $asked['now']);
echo json_encode(array_map($say, $asked['tokens']));
"""
IN_NODE = """
import { readFileSync } from "node:fs";
const { keySet, verifyPass } = await import(process.env.PASS_MJS);
const { tokens, now } = JSON.parse(readFileSync(0));
const keys = keySet(process.env.PASS_KEYS_URL, { clock: () => now });
const said = [];
for (const token of tokens) {
  const [issuer, audience] = [process.env.PASS_ISSUER, process.env.PASS_AUDIENCE];
  said.push(await verifyPass(token, { jwks: await keys(token), issuer, audience, now }));
}
console.log(JSON.stringify(said));
"""

Verify = Callable[..., list[dict[str, Any] | None]]


@pytest.fixture
def keeper() -> Passes:
    """Who gives passes: two keys, the second of which signs."""
    return passes()


def passes(*numbers: int, secret: str = "s" * 40, **changed: str) -> Passes:
    settings = Settings(
        public_url=changed.get("issuer", ISSUER),
        paper_url=changed.get("audience", AUDIENCE),
        secret_key=SecretStr(secret),
        paywall=Paywall(pass_minutes=5),
    )
    return Passes(settings, numbers or (2, 1))


@pytest.fixture
def keys(keeper: Passes) -> Iterator[Newsroom]:
    """The address where the public keys are, and how often it was asked."""
    with newsrooms.running(page=json.dumps(keeper.jwks())) as one:
        yield one


@pytest.fixture(params=["php", "node"])
def verify(request: pytest.FixtureRequest, keys: Newsroom, tmp_path: Path) -> Verify:
    """Verify tokens in one language, at an instant."""
    found = {"php": PHP, "node": NODE}[request.param]
    if found is None:
        pytest.skip(f"no {request.param} on this machine")
    code = {"php": ["-r", IN_PHP], "node": ["--input-type=module", "-e", IN_NODE]}[request.param]
    environment = os.environ | {
        "PASS_PHP": str(DEPLOY / "php" / "pass.php"),
        "PASS_MJS": str(DEPLOY / "js" / "pass.mjs"),
        "PASS_KEYS_URL": f"http://127.0.0.1:{keys.port}/.well-known/jwks.json",
        "PASS_KEYS_FILE": str(tmp_path / "keys.json"),
        "PASS_ISSUER": ISSUER,
        "PASS_AUDIENCE": AUDIENCE,
    }

    def ask(*tokens: str, now: datetime) -> list[dict[str, Any] | None]:
        asked = json.dumps({"tokens": tokens, "now": int(now.timestamp())})
        done = subprocess.run(
            [found, *code], input=asked, env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        said: list[dict[str, Any] | None] = json.loads(done.stdout)
        return said

    return ask


def test_a_pass_says_why_somebody_may_read_and_for_how_long(
    verify: Verify, keeper: Passes, now: datetime
) -> None:
    token = keeper.issue(Reason.SUBSCRIBER, until=None, now=now)
    begun = int(now.timestamp())

    assert verify(token, now=now) == [
        {"iss": ISSUER, "aud": AUDIENCE, "iat": begun, "exp": begun + 300, "reason": "subscriber"}
    ]


def test_many_passes_verify_whatever_their_signatures_look_like(
    verify: Verify, keeper: Passes, now: datetime
) -> None:
    """DER writes a number without noughts before it, and with one where it would read a sign."""
    tokens, kinds, begun = [], set[str](), int(now.timestamp())
    while kinds != {"short", "signed", "plain"}:  # no two signatures of one text are alike
        tokens.append(keeper._sign(Reason.SUBSCRIBER, begun, begun + 300))
        kinds |= {_kind(_bytes(tokens[-1].split(".")[2])[at : at + 2]) for at in (0, 32)}

    assert None not in verify(*tokens, now=now)


def _kind(begins: bytes) -> str:
    if begins[0] == 0 and begins[1] < 0x80:
        return "short"
    return "signed" if begins[0] >= 0x80 else "plain"


def test_a_pass_ends_at_its_second(verify: Verify, keeper: Passes, now: datetime) -> None:
    token = keeper.issue(Reason.SUBSCRIBER, until=now + timedelta(seconds=90), now=now)

    assert verify(token, now=now + timedelta(seconds=89)) != [None]
    assert verify(token, now=now + timedelta(seconds=90)) == [None]


def test_a_pass_from_the_future_is_refused_beyond_what_clocks_differ(
    verify: Verify, keeper: Passes, now: datetime
) -> None:
    token = keeper.issue(Reason.SUBSCRIBER, until=None, now=now)

    assert verify(token, now=now - timedelta(seconds=60)) != [None]
    assert verify(token, now=now - timedelta(seconds=61)) == [None]


def test_a_pass_signed_before_the_keys_changed_is_good(verify: Verify, now: datetime) -> None:
    token = passes(1).issue(Reason.COMP, until=None, now=now)

    [said] = verify(token, now=now)

    assert said is not None
    assert said["reason"] == "comp"


def test_what_is_no_pass_of_ours_says_nothing(
    verify: Verify, keeper: Passes, now: datetime
) -> None:
    good = keeper.issue(Reason.SUBSCRIBER, until=None, now=now)
    forged = _forgeries(good, keeper, now)

    said = verify(*forged.values(), good, now=now)

    assert dict(zip(forged, said[:-1], strict=True)) == dict.fromkeys(forged)
    assert said[-1] is not None


def _forgeries(good: str, keeper: Passes, now: datetime) -> dict[str, str]:
    header, claims, signature = good.split(".")
    said = json.loads(_bytes(claims))
    stranger = ECKey.import_key(ec.generate_private_key(ec.SECP256R1()))
    raw = _bytes(signature)

    def how(**fields: Any) -> str:
        return _written({"alg": "ES256", "kid": "2", **fields})

    def of(other: Passes) -> str:
        return other.issue(Reason.SUBSCRIBER, until=None, now=now)

    public = next(key for key in keeper.jwks()["keys"] if key["kid"] == "2")
    shared = OctKey.import_key(_bytes(public["x"]) + _bytes(public["y"]))
    return {
        "for another paper": of(passes(audience="https://other.example")),
        "from another house": of(passes(issuer="https://other.example")),
        "a stranger's key": jwt.encode({"alg": "ES256", "kid": "2"}, said, stranger, ["ES256"]),
        "made with another secret": of(passes(secret="t" * 40)),
        "changed claims": f"{header}.{_written(said | {'exp': 9**12})}.{signature}",
        "changed signature": f"{header}.{claims}.{_text(bytes([raw[0] ^ 1]) + raw[1:])}",
        "numbers of nought": f"{header}.{claims}.{_text(bytes(64))}",
        "half a signature": f"{header}.{claims}.{_text(raw[:32])}",
        "no algorithm": f"{how(alg='none')}.{claims}.",
        "no algorithm, signed": f"{how(alg='None')}.{claims}.{signature}",
        "signed with the public key": jwt.encode(
            {"alg": "HS256", "kid": "2"}, said, shared, ["HS256"]
        ),
        "an unknown key": f"{how(kid='77')}.{claims}.{signature}",
        "a key by a number": f"{how(kid=2)}.{claims}.{signature}",
        "a key brought along": jwt.encode(
            {"alg": "ES256", "kid": "2", "jwk": stranger.as_dict(private=False)},
            said,
            stranger,
            ["ES256"],
        ),
        "an end in words": _signed(keeper, said | {"exp": "tomorrow"}),
        "no end": _signed(keeper, {k: v for k, v in said.items() if k != "exp"}),
        "no beginning": _signed(keeper, {k: v for k, v in said.items() if k != "iat"}),
        "claims that are a list": f"{header}.{_written([said])}.{signature}",
        "empty": "",
        "dots": "..",
        "not text": "\u2603.\u2603.\u2603",
        "too long": good + "A" * 5000,
    }


def _signed(keeper: Passes, claims: dict[str, Any]) -> str:
    return jwt.encode(keeper._header, claims, keeper._key, ["ES256"])


def test_made_up_key_numbers_do_not_make_us_ask_again_and_again(
    verify: Verify, keeper: Passes, keys: Newsroom, now: datetime
) -> None:
    _, claims, signature = keeper.issue(Reason.SUBSCRIBER, until=None, now=now).split(".")
    made_up = [
        f"{_written({'alg': 'ES256', 'kid': f'{n}'})}.{claims}.{signature}" for n in range(50, 90)
    ]

    verify(*made_up, now=now)

    assert len(keys.heard) == 1


def test_keys_are_fetched_again_after_five_minutes_and_kept_for_an_hour_while_nobody_answers(
    keeper: Passes, keys: Newsroom, tmp_path: Path, now: datetime
) -> None:
    if PHP is None:
        pytest.skip("no php on this machine")
    asked: list[int] = []
    for minutes in (0, 4, 5, 9, 10, 11, 64, 66):
        if minutes == 10:
            keys.status = 503
        then = now + timedelta(minutes=minutes)
        token = keeper.issue(Reason.SUBSCRIBER, until=None, now=then)
        assert (_in_php(token, keys, tmp_path, now=then) is not None) is (minutes <= 65), minutes
        asked.append(len(keys.heard))

    assert asked == [1, 1, 2, 2, 3, 4, 5, 6]


def _in_php(token: str, keys: Newsroom, place: Path, *, now: datetime) -> dict[str, Any] | None:
    assert PHP is not None
    done = subprocess.run(
        [PHP, "-r", IN_PHP],
        input=json.dumps({"tokens": [token], "now": int(now.timestamp())}),
        env={
            **os.environ,
            "PASS_PHP": str(DEPLOY / "php" / "pass.php"),
            "PASS_KEYS_URL": f"http://127.0.0.1:{keys.port}/",
            "PASS_KEYS_FILE": str(place / "keys.json"),
            "PASS_ISSUER": ISSUER,
            "PASS_AUDIENCE": AUDIENCE,
        },
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    [said] = json.loads(done.stdout)
    assert said is None or isinstance(said, dict)
    return said


def _written(value: Any) -> str:
    return _text(json.dumps(value).encode())


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

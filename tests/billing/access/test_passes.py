"""The reader pass: nothing but what we gave is read, it names nobody, and it outlasts no right."""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from pydantic import SecretStr

from billing.access.passes import Passes, _private_key, numbers, rotate
from billing.access.reasons import OF_SOURCE, Reason
from billing.db import Database
from billing.models import AuditRecord
from billing.settings import Paywall, Settings

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
SECRET = "only-for-tests-only-for-tests-only-for-tests"
SETTINGS = Settings(secret_key=SecretStr(SECRET))
PASSES = Passes(SETTINGS, (1,))
GIVEN = PASSES.issue(Reason.SUBSCRIBER, until=LATER, now=NOW)


def with_paywall(**changed: Any) -> Settings:
    return SETTINGS.model_copy(update={"paywall": Paywall(**changed)})


def part(token: str, number: int) -> dict[str, Any]:
    text = token.split(".")[number]
    read: dict[str, Any] = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return read


def written(value: Any) -> str:
    return encoded(json.dumps(value, separators=(",", ":")).encode())


def encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


def forged(*, number: int = 1, secret: str = SECRET, **changed: Any) -> str:
    """Sign what we would never sign, with our key or another's; a claim of None is left out."""
    claims = {**part(GIVEN, 1), **changed}
    claims = {name: value for name, value in claims.items() if value is not None}
    key = ECKey.import_key(_private_key(secret, number))
    return jwt.encode({"alg": "ES256", "kid": str(number)}, claims, key, ["ES256"])


def test_a_pass_says_who_gave_it_for_whom_until_when_and_why_and_no_more() -> None:
    assert part(GIVEN, 0) == {"typ": "JWT", "alg": "ES256", "kid": "1"}
    assert part(GIVEN, 1) == {
        "iss": "http://localhost:8000",
        "aud": "http://localhost:8080",
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 300,
        "reason": "subscriber",
    }
    assert PASSES.reads(GIVEN, now=NOW)
    assert len(GIVEN) < 500


def test_two_readers_with_the_same_right_hold_passes_that_say_the_same() -> None:
    another = PASSES.issue(Reason.SUBSCRIBER, until=LATER, now=NOW)

    assert part(another, 1) == part(GIVEN, 1)


def test_whoever_has_the_public_keys_alone_can_verify_a_pass() -> None:
    published = KeySet.import_key_set(json.loads(json.dumps(PASSES.jwks())))

    assert jwt.decode(GIVEN, published, ["ES256"]).claims["reason"] == "subscriber"
    assert [sorted(key) for key in PASSES.jwks()["keys"]] == [
        ["alg", "crv", "kid", "kty", "use", "x", "y"]
    ] * 2


@given(
    seconds=st.floats(-1000, 5_000, allow_nan=False),
    minutes=st.integers(0, 15),
    fraction=st.integers(0, 999_999),
)
def test_a_pass_outlasts_neither_the_right_nor_its_minutes(
    seconds: float, minutes: int, fraction: int
) -> None:
    passes = Passes(with_paywall(pass_minutes=minutes), (1,))
    now = NOW.replace(microsecond=fraction)
    until = now + timedelta(seconds=seconds)

    token = passes.issue(Reason.SUBSCRIBER, until=until, now=now)

    ends = min(until, now + timedelta(minutes=minutes))
    assert not passes.reads(token, now=ends)
    if ends - now >= timedelta(seconds=1):  # a pass is good to the whole second before
        assert passes.reads(token, now=max(now, ends - timedelta(seconds=1, microseconds=1)))


def test_a_right_without_an_end_gives_a_pass_of_the_usual_minutes() -> None:
    token = PASSES.issue(Reason.COMP, until=None, now=NOW)

    assert PASSES.reads(token, now=NOW + timedelta(seconds=299))
    assert not PASSES.reads(token, now=NOW + timedelta(seconds=300))


def test_a_pass_is_given_for_a_right_of_ones_own_and_for_nothing_else() -> None:
    given_for = {r for r in Reason if PASSES.issue(r, until=LATER, now=NOW)}

    assert given_for == set(OF_SOURCE.values())


def test_where_the_paper_wants_no_passes_none_is_given() -> None:
    assert (
        Passes(with_paywall(pass_minutes=0), (1,)).issue(Reason.SUBSCRIBER, until=None, now=NOW)
        == ""
    )


def test_a_pass_needs_another_when_half_of_its_time_is_over() -> None:
    half = NOW + timedelta(seconds=150)

    assert PASSES.lasts(GIVEN, now=NOW)
    assert PASSES.lasts(GIVEN, now=half)
    assert not PASSES.lasts(GIVEN, now=half + timedelta(microseconds=1))
    assert PASSES.reads(GIVEN, now=half + timedelta(microseconds=1))
    assert not PASSES.lasts("", now=NOW)


@given(at=st.integers(0, len(GIVEN) - 1), character=st.characters())
def test_a_pass_with_any_character_changed_is_not_read(at: int, character: str) -> None:
    changed = GIVEN[:at] + character + GIVEN[at + 1 :]

    assert PASSES.reads(changed, now=NOW) == (changed == GIVEN)


def test_a_pass_cut_short_or_with_anything_added_is_not_read() -> None:
    shorter = [GIVEN[:length] for length in range(len(GIVEN))]
    longer = [GIVEN + more for more in ("=", "A", ".", ".A", " ", "\n", "\0", "é", "\ud800")]

    assert [each for each in [*shorter, *longer] if PASSES.reads(each, now=NOW)] == []


@given(st.one_of(st.text(max_size=60), st.text().map(lambda text: f"{GIVEN.split('.')[0]}.{text}")))
def test_any_text_at_all_is_refused_without_a_fault(text: str) -> None:
    assert not PASSES.reads(text, now=NOW)
    assert not PASSES.lasts(text, now=NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "http://localhost:8000"},
        {"aud": "http://localhost:8080.example.org"},
        {"aud": None},
        {"aud": []},
        {"aud": {}},
        {"iss": "http://localhost:8001"},
        {"iss": None},
        {"iss": ["http://localhost:8000"]},
        {"exp": int(NOW.timestamp())},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": float("nan")},
        {"nbf": int(NOW.timestamp()) + 1},
        {"nbf": "now"},
        {"iat": int(NOW.timestamp()) + 1},
        {"number": 3},  # not published: two ahead of the one that signs
        {"secret": "another-" * 8},
    ],
    ids=str,
)
def test_what_we_did_not_sign_for_the_paper_and_for_now_is_not_read(
    changed: dict[str, Any],
) -> None:
    assert PASSES.reads(forged(), now=NOW)  # only what is changed makes the difference
    assert not PASSES.reads(forged(**changed), now=NOW)
    assert not PASSES.lasts(forged(**changed), now=NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "HS256"},
        {"alg": "ES384"},
        {"kid": "2"},
        {"kid": None},
        {"kid": ["1"]},
        {"crit": ["exp"]},
        {"b64": False, "crit": ["b64"]},
    ],
    ids=str,
)
def test_no_header_makes_us_read_a_token_in_another_way(changed: dict[str, Any]) -> None:
    _, payload, signature = GIVEN.split(".")
    header = written({**part(GIVEN, 0), **changed})

    assert not PASSES.reads(f"{header}.{payload}.{signature}", now=NOW)
    assert not PASSES.reads(f"{header}.{payload}.", now=NOW)
    assert not PASSES.reads(f"{header}.{payload}", now=NOW)


@pytest.mark.parametrize("header", [[], "alg", 1, None, "[" * 900], ids=str)
def test_a_header_that_is_none_is_refused_without_a_fault(header: Any) -> None:
    text = encoded(header.encode()) if header == "[" * 900 else written(header)

    assert not PASSES.reads(f"{text}.{GIVEN.partition('.')[2]}", now=NOW)


def test_a_public_key_is_no_secret_to_sign_with_and_a_token_brings_no_key() -> None:
    ours, theirs = PASSES.jwks()["keys"][1], ECKey.generate_key("P-256")
    raw = ECKey.import_key(ours).public_key
    info = PublicFormat.SubjectPublicKeyInfo
    forms = [
        raw.public_bytes(Encoding.PEM, info),
        raw.public_bytes(Encoding.DER, info),
        raw.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        json.dumps(ours).encode(),
    ]
    begun = f"{written({**part(GIVEN, 0), 'alg': 'HS256'})}.{GIVEN.split('.')[1]}"
    tried = [
        f"{begun}.{encoded(hmac.digest(secret, begun.encode(), 'sha256'))}" for secret in forms
    ]
    brought: Any = {"alg": "ES256", "kid": "1", "jwk": theirs.as_dict()}
    tried.append(jwt.encode(brought, part(GIVEN, 1), theirs))
    tried.append(jwt.encode({"alg": "ES256", "kid": "1"}, part(GIVEN, 1), theirs))

    assert [token for token in tried if PASSES.reads(token, now=NOW)] == []


def test_a_token_of_over_two_thousand_characters_is_refused_unread() -> None:
    long = forged(reason="r" * 2000)

    assert len(long) > 2000
    assert not PASSES.reads(long, now=NOW)
    assert PASSES.reads(forged(reason="r" * 1000), now=NOW)


def test_a_pass_that_was_read_before_ends_like_any_other() -> None:
    assert PASSES.reads(GIVEN, now=NOW)
    assert PASSES.reads(GIVEN, now=NOW)

    assert not PASSES.reads(GIVEN, now=NOW + timedelta(seconds=300))


def test_only_passes_that_we_signed_are_remembered_and_not_without_end() -> None:
    passes = Passes(SETTINGS, (1,))
    passes.reads(GIVEN, now=NOW)
    passes.reads(forged(secret="another-" * 8), now=NOW)
    remembered = passes._signed.cache_info()

    assert remembered.currsize == 1
    assert remembered.maxsize is not None


def test_two_processes_read_each_others_passes_and_another_secret_reads_neither() -> None:
    strangers = Passes(SETTINGS.model_copy(update={"secret_key": SecretStr("x" * 40)}), (1,))

    assert Passes(SETTINGS, (1,)).reads(GIVEN, now=NOW)
    assert not strangers.reads(GIVEN, now=NOW)
    assert strangers.jwks() != PASSES.jwks()


def test_the_same_secret_makes_the_same_keys_in_every_release() -> None:
    made = {key["kid"]: key["x"] for key in PASSES.jwks()["keys"]}

    assert made == {
        "2": "oA8XHYwR6v69eRrtlhwFbm4Ia92TfqBLXgTM44MSduI",
        "1": "S4mkytw9gbHnTr2ux-u9VFZYVlq6Y6suoHTeEpty-ts",
    }


def test_the_list_holds_the_key_that_signs_the_two_before_and_the_next() -> None:
    kids = [key["kid"] for key in Passes(SETTINGS, (5, 4, 3, 2, 1)).jwks()["keys"]]

    assert kids == ["6", "5", "4", "3"]


def test_with_nothing_set_up_the_first_key_signs_and_each_change_adds_the_next(
    db: Database, now: datetime
) -> None:
    with db.reading() as session:
        assert numbers(session) == (1,)

    with db.unit_of_work() as session:
        assert rotate(session, actor="command line", now=now) == 2
    with db.unit_of_work() as session:
        assert rotate(session, actor="command line", now=now) == 3

    with db.reading() as session:
        assert numbers(session) == (3, 2, 1)
        records = session.scalars(sa.select(AuditRecord).order_by(AuditRecord.id)).all()
    assert [(r.actor, r.action, r.subject, r.at) for r in records] == [
        ("command line", "pass key rotated", "pass_key:2", now),
        ("command line", "pass key rotated", "pass_key:3", now),
    ]


def test_after_a_change_old_passes_are_read_and_a_kept_list_knows_the_new_key(
    db: Database, now: datetime
) -> None:
    def opened() -> Passes:
        with db.reading() as session:
            return Passes(SETTINGS, numbers(session))

    before = opened()
    kept = KeySet.import_key_set(before.jwks())  # type: ignore[arg-type]  # as JSON brings it
    old = before.issue(Reason.SUBSCRIBER, until=None, now=now)
    with db.unit_of_work() as session:
        rotate(session, actor="command line", now=now)
    after = opened()
    new = after.issue(Reason.SUBSCRIBER, until=None, now=now)

    assert part(new, 0)["kid"] == "2"
    assert (after.reads(old, now=now), after.reads(new, now=now)) == (True, True)
    assert before.reads(new, now=now)  # by a process that has not heard of the change yet
    assert jwt.decode(new, kept, ["ES256"]).claims["reason"] == "subscriber"


def test_a_pass_of_a_key_that_was_changed_four_times_since_is_not_read(
    db: Database, now: datetime
) -> None:
    old = Passes(SETTINGS, (1,)).issue(Reason.SUBSCRIBER, until=None, now=now)
    read = []
    for _ in range(4):
        with db.unit_of_work() as session:
            rotate(session, actor="command line", now=now)
            read.append(Passes(SETTINGS, numbers(session)).reads(old, now=now))

    assert read == [True, True, False, False]

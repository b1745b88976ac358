"""Which bytes are an event, and what is read from them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from webhooks import dispatch
from webhooks.event import Event, MalformedError, id_in, read

EVENT: dict[str, Any] = {
    "id": "evt_1",
    "object": "event",
    "type": "charge.updated",
    "api_version": "2026-10-28.endive",
    "created": 1_763_892_000,
    "livemode": False,
    "data": {"object": {"id": "ch_1", "object": "charge", "payment_intent": "pi_1"}},
}


def body(**changed: Any) -> bytes:
    return json.dumps({**EVENT, **changed}).encode()


def test_an_event_is_read() -> None:
    said = read(body())

    assert (said.id, said.type, said.account, said.livemode, said.api_version) == (
        "evt_1",
        "charge.updated",
        "",
        False,
        "2026-10-28.endive",
    )
    assert said.created == datetime(2025, 11, 23, 10, 0, tzinfo=UTC)
    assert (said.object_kind, said.object_id) == ("charge", "ch_1")
    assert said.data == {"id": "ch_1", "object": "charge", "payment_intent": "pi_1"}


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"{" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        body().replace(b"1763892000", b"NaN"),
        body().replace(b"1763892000", b"-Infinity"),
        body().replace(b"1763892000", b"1e400"),
        body().replace(b"1763892000", b"9" * 5000),
        body().replace(b'"id": "evt_1"', b'"id": "evt_1", "id": "evt_2"'),
        body().replace(b'"id": "ch_1"', b'"id": "ch_1", "id": "ch_2"'),
    ],
)
def test_what_is_not_strict_json_is_refused(wrong: bytes) -> None:
    with pytest.raises(MalformedError, match="not strict JSON"):
        read(wrong)


@pytest.mark.parametrize("value", [b"null", b"[]", b"3", b'"evt_1"', b"true"])
def test_what_is_not_an_object_is_refused(value: bytes) -> None:
    with pytest.raises(MalformedError, match="not an object"):
        read(value)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"object": "charge"}, "not an event"),
        ({"livemode": None}, "no livemode"),
        ({"livemode": 0}, "no livemode"),
        ({"id": None}, "no id"),
        ({"id": ""}, "no id"),
        ({"id": "evt_\x00"}, "no id"),
        ({"id": "evt_\ud800"}, "no id"),
        ({"id": "e" * 256}, "no id"),
        ({"type": 5}, "no type"),
        ({"type": "charge updated"}, "no type"),
        ({"account": ""}, "no account"),
        ({"account": {"id": "acct_1"}}, "no account"),
    ],
)
def test_an_event_that_cannot_be_named_is_refused(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(MalformedError, match=reason):
        read(body(**changed))


@pytest.mark.parametrize(
    "data",
    [None, [], "ch_1", {}, {"object": None}, {"object": []}, {"object": {"id": None}}],
)
def test_an_event_about_nothing_nameable_is_still_an_event(data: Any) -> None:
    assert read(body(data=data)).object_id == ""


@pytest.mark.parametrize("created", [None, "yesterday", -1, 10**15, 1.5, True])
def test_an_event_without_a_usable_time_is_still_an_event(created: Any) -> None:
    assert read(body(created=created)).created is None


def test_an_id_is_found_in_a_name_or_in_the_whole_object() -> None:
    assert id_in("pi_1") == "pi_1"
    assert id_in({"id": "pi_1", "object": "payment_intent"}) == "pi_1"


@pytest.mark.parametrize("nothing", [None, 5, [], {}, {"id": 5}, "no id"])
def test_where_there_is_no_id_none_is_found(nothing: object) -> None:
    assert id_in(nothing) == ""


THIN = {
    "id": "evt_test_65UiV5",
    "object": "v2.core.event",
    "type": "v1.charge.updated",
    "livemode": True,
    "created": "2026-11-23T10:00:00.000Z",
    "related_object": {"id": "ch_1", "type": "charge", "url": "/v1/charges/ch_1"},
}


def test_a_thin_event_is_read_like_the_others() -> None:
    said = read(json.dumps(THIN).encode())

    assert said == Event(
        id="evt_test_65UiV5",
        type="charge.updated",
        account="",
        livemode=True,
        api_version="",
        created=datetime(2026, 11, 23, 10, 0, tzinfo=UTC),
        object_kind="charge",
        object_id="ch_1",
        data={"id": "ch_1", "object": "charge"},
    )


def test_a_thin_event_of_another_account_says_so() -> None:
    said = read(json.dumps({**THIN, "context": "acct_1/acct_2"}).encode())

    assert said.account == "acct_1_acct_2"


@pytest.mark.parametrize("created", ["", "yesterday", "2026-11-23", "0001-01-01T00:00:00+14:00"])
def test_a_thin_event_without_a_usable_time_is_still_an_event(created: str) -> None:
    assert read(json.dumps({**THIN, "created": created}).encode()).created is None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"type": None}, "no type"), ({"context": 7}, "no account"), ({"id": ""}, "no id")],
)
def test_a_thin_event_that_cannot_be_named_is_refused(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(MalformedError, match=reason):
        read(json.dumps({**THIN, **changed}).encode())


def test_a_thin_event_about_nothing_is_still_an_event() -> None:
    said = read(json.dumps({**THIN, "related_object": None}).encode())

    assert (said.object_kind, said.object_id) == ("", "")


RECORDED = sorted((Path(__file__).parents[3] / "shared" / "stripe-payloads").glob("*.json"))
NAMES_NOTHING = "it names no object"
NOT_OURS_TO_ACT_ON = {"entitlements.active_entitlement_summary.updated", "invoice.updated"}


@pytest.mark.skipif(not RECORDED, reason="no recorded events lie beside the project")
@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_an_event_recorded_years_ago_names_the_object_it_is_about(file: Path) -> None:
    body = file.read_bytes()
    said = read(body)
    shown = json.loads(body)["data"]["object"]

    if said.type in NOT_OURS_TO_ACT_ON:
        with pytest.raises(dispatch.IgnoredError):
            dispatch.subject_of(said)
        return
    if "..." in str(shown.get("id")):  # as whoever recorded it has cut it
        with pytest.raises(dispatch.IgnoredError, match=NAMES_NOTHING):
            dispatch.subject_of(said)
        return
    subject = dispatch.subject_of(said)
    assert subject.id in {
        value for value in (*shown.values(), "catalogue") if isinstance(value, str)
    }

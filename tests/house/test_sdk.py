"""Stripe's SDK may change: it is pinned, one room knows it, and nothing of it leaves that room."""

import ast
import re
from dataclasses import fields, is_dataclass
from pathlib import Path

from stripe._api_version import _ApiVersion

from billing.stripe_gateway import types
from billing.stripe_gateway.client import API_VERSION

ROOT = Path(__file__).resolve().parents[2]


def test_the_pinned_sdk_speaks_the_api_version_we_pin_and_moves_only_on_purpose() -> None:
    (pinned,) = re.findall(r'"stripe==([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    (locked,) = re.findall(r"(?<!\S)stripe==([\d.]+)", (ROOT / "requirements.txt").read_text())

    assert pinned == locked
    assert API_VERSION == _ApiVersion.CURRENT


def test_what_leaves_the_gateway_is_of_our_own_types_and_never_an_object_of_the_sdk() -> None:
    ours = [t for t in vars(types).values() if isinstance(t, type) and is_dataclass(t)]
    of_the_sdk = [
        f"{t.__name__}.{field.name}"
        for t in ours
        for field in fields(t)
        if "stripe." in str(field.type)
    ]
    importing = {
        path.parts[len(ROOT.parts) + 1]
        for path in (ROOT / "billing").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Import) and any(a.name == "stripe" for a in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "stripe")
    }

    assert len(ours) > 10
    assert of_the_sdk == []
    assert importing == {"stripe_gateway"}

"""`deploy/json-ld.html`: what search engines are told of an article behind the wall."""

import json
import re

from tests.deploy.conftest import DEPLOY
from tests.support.pages import Page


def test_it_says_that_the_part_with_the_class_is_not_free() -> None:
    html = (DEPLOY / "json-ld.html").read_text()
    found = re.search(r'<script type="application/ld\+json">(.+?)</script>', html, re.DOTALL)

    assert found is not None
    said = json.loads(found[1])
    assert (said["@type"], said["isAccessibleForFree"]) == ("NewsArticle", False)
    assert said["hasPart"] == {
        "@type": "WebPageElement",
        "isAccessibleForFree": False,
        "cssSelector": ".paywall",
    }
    assert [given["class"] for _, given in Page(html).tags if "class" in given] == ["paywall"]

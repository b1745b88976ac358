"""The way back to the paper: its front page, or the very article somebody came from.

An article's id is only ever quoted into the paper's own path, so no id leads anywhere else.
"""

from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Query
from starlette.responses import RedirectResponse

from billing.context import Context
from billing.web.dependencies import ContextDep

router = APIRouter(include_in_schema=False)

_LONGEST: Final = 200  # of an article's id, as the paywall check reads it


def page_of(context: Context, article: str) -> str:
    """Return the address of an article, where the paper says how to find it; else its front."""
    path = context.settings.paywall.article_path
    found = path.replace("{article}", quote(article, safe="")) if article else ""
    return f"{context.settings.paper_url}{found}"


def way_back(article: str) -> str:
    """Return the path of ours that leads on to an article: one to go to after signing in."""
    return f"/read?article={quote(article, safe='/:')}"


@router.get("/read")
def read(
    context: ContextDep, article: Annotated[str, Query(max_length=_LONGEST)] = ""
) -> RedirectResponse:
    """Lead on to an article of the paper."""
    return RedirectResponse(page_of(context, article), status_code=303)

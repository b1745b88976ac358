"""The pages the law asks for, and who we are; marked as drafts until a lawyer has read them."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from billing.web.dependencies import ContextDep
from billing.web.render import render

router = APIRouter(include_in_schema=False)


@router.get("/terms")
def terms(request: Request) -> Response:
    """Show the terms."""
    return render(request, "legal/terms.html")


@router.get("/privacy")
def privacy(request: Request, context: ContextDep) -> Response:
    """Show what we keep of people, and every cookie."""
    settings = context.settings
    prefix = "__Host-" if settings.secure else ""
    return render(
        request,
        "legal/privacy.html",
        prefix=prefix,
        limit=settings.paywall.limit,
        pass_minutes=settings.paywall.pass_minutes,
    )


@router.get("/contact")
def contact(request: Request) -> Response:
    """Show how to reach a person."""
    return render(request, "legal/contact.html")


@router.get("/about")
def about(request: Request) -> Response:
    """Show who we are."""
    return render(request, "legal/about.html")

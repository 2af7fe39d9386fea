"""The routes of the server."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imbtool.serving.access import Access
from imbtool.serving.documents import ModelDocument, PredictResponse, Problem, Status, Texts
from imbtool.serving.limits import Refused, stopping
from imbtool.serving.metrics import CONTENT_TYPE
from imbtool.serving.pages import HEADERS, Page, read_pages, render_reference
from imbtool.serving.service import Service
from imbtool.version import __version__

DESCRIPTION = "Decides the labels of texts as `imbtool predict` does."
BODY = {
    "required": True,
    "content": {"application/json": {"schema": Texts.model_json_schema()}},
}
PREDICT_PROBLEMS = {
    400: "The body is no JSON in UTF-8.",
    401: "The token is missing or wrong.",
    408: "The body did not arrive in time.",
    413: "The body is larger than the limit.",
    415: "The body is not application/json.",
    422: "The body has not the one key `texts`, with texts within the limits.",
    429: "Too many texts wait. Try again in a moment.",
    503: "The server is stopping, or the model failed.",
}
GUARDED = {401: {"model": Problem, "description": PREDICT_PROBLEMS[401]}}


def make_app(service: Service, access: Access) -> FastAPI:
    """Make the application.

    Args:
        service: what stands behind the routes.
        access: who may ask.
    """
    app = FastAPI(
        title="imbtool",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,  # FastAPI's own pages load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    _add_predict(app, service)
    _add_views(app, service)
    _add_pages(app)
    _add_problems(app)
    paths = frozenset(getattr(route, "path", "") for route in app.routes)
    app.add_middleware(Door, service=service, access=access, paths=paths)
    return app


def _add_predict(app: FastAPI, service: Service) -> None:
    problems = {
        status: {"model": Problem, "description": text} for status, text in PREDICT_PROBLEMS.items()
    }

    @app.post(
        "/predict",
        summary="Decide the labels of texts.",
        response_model=PredictResponse,
        responses=problems,  # type: ignore[arg-type]
        openapi_extra={"requestBody": BODY},
    )
    async def predict(
        request: Request,
        calibrated: Annotated[
            bool, Query(description="Calibrated probabilities; the labels are the same.")
        ] = False,
    ) -> Response:
        try:
            response = await service.predict(request.headers, request.stream(), calibrated)
        except ClientDisconnect:
            raise Refused(400, "The body is not whole.") from None
        return _json(response.model_dump_json())


def _add_views(app: FastAPI, service: Service) -> None:
    @app.get("/health", summary="Whether the process works.", response_model=Status)
    async def health() -> Response:
        if not service.batcher.alive and not service.batcher.closed:
            raise Refused(503, "The threads that predict have ended.")
        return _json(Status(status="ok").model_dump_json())

    @app.get("/ready", summary="Whether requests are taken in.", response_model=Status)
    async def ready() -> Response:
        if not service.ready:
            raise stopping()
        return _json(Status(status="ready").model_dump_json())

    @app.get(
        "/model",
        summary="The model's card, thresholds and hierarchy.",
        response_model=ModelDocument,
        responses=GUARDED,  # type: ignore[arg-type]
    )
    async def model() -> Response:
        return _json(service.document().model_dump_json())

    @app.get(
        "/metrics",
        summary="Metrics for Prometheus.",
        response_class=Response,
        responses=GUARDED,  # type: ignore[arg-type]
    )
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE)


def _add_pages(app: FastAPI) -> None:
    def add(page: Page) -> None:
        async def show() -> Response:
            return Response(page.content, media_type=page.media_type, headers=HEADERS)

        app.add_api_route(page.path, show, include_in_schema=False)

    for page in read_pages():
        add(page)
    add(Page("/docs", render_reference(app.openapi()), "text/html"))


def _add_problems(app: FastAPI) -> None:
    @app.exception_handler(Refused)
    async def refuse(_: Request, refused: Refused) -> Response:
        return _refusal(refused)

    @app.exception_handler(RequestValidationError)
    async def refuse_query(_: Request, __: RequestValidationError) -> Response:
        return _refusal(Refused(422, "`calibrated` must be true or false."))


class Door:
    """Lets in who may ask, and counts requests."""

    def __init__(
        self, app: ASGIApp, service: Service, access: Access, paths: frozenset[str]
    ) -> None:
        """Stand before an application with these paths."""
        self._app, self._service, self._access, self._paths = app, service, access, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, path, status = time.perf_counter(), scope["path"], 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        answer = self._app if (refusal := self._refusal(path, scope)) is None else refusal
        try:
            await answer(scope, receive, noting)
        finally:
            seconds = time.perf_counter() - begun
            self._service.metrics.request(path, status, seconds, self._paths)

    def _refusal(self, path: str, scope: Scope) -> Response | None:
        try:
            self._access.check(path, Headers(scope=scope))
        except Refused as refused:
            return _refusal(refused)
        return None


def _refusal(refused: Refused) -> Response:
    return JSONResponse({"detail": refused.sentence}, refused.status, headers=refused.headers)


def _json(content: str) -> Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(content, media_type="application/json", headers=headers)

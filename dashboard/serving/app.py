"""The dashboard as an ASGI application: what is answered at which address.

``/PLACE/`` is a list, ``/PLACE/KEY/`` an experiment, ``/PLACE/KEY/TRIAL/`` a trial; what follows a ``-`` is no name.
"""

import contextlib
import gzip
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

import anyio.to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from dashboard.pages import assets
from dashboard.pages.pages import Pages, Setting, quoted
from dashboard.pages.plotted import MOST_COMPARED
from dashboard.serving import access, events
from dashboard.serving.access import Access, RefusedError, UnidentifiedError
from dashboard.serving.protection import Protected
from dashboard.serving.rendered import Rendered
from dashboard.serving.versions import Versions
from dashboard.sources.source import NotThereError, Source, UnreadableError
from katib_local.report.model import Report

logger = logging.getLogger(__name__)

_THREADS = 8
"""Requests that are worked on at a time; the others wait, and memory stays small."""

_TITLES: Mapping[type[Exception], tuple[int, str]] = {
    UnidentifiedError: (401, "Who are you?"),
    RefusedError: (403, "This is not for you to see"),
    NotThereError: (404, "Not there"),
    UnreadableError: (502, "It cannot be read"),
}
_FEWEST_COMPARED = 2
_DEEPEST = 3
"""Names in an address: a place, an experiment and a trial."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dashboard:
    """Answers requests."""

    source: Source
    access: Access
    pages: Pages
    home: str
    """The one place; empty where there are several."""
    rendered: Rendered
    versions: Versions

    def start(self, request: Request) -> Response:
        """Lead to the one place, or ask for one."""
        if self.home:
            return _to(f"./{quoted(self.home)}/")
        self.access.check(request.headers, "", ())
        text = "Choose a namespace: in the menu above, where this stands in Kubeflow's dashboard, or here."
        return _page(request, self.pages.message(0, "", "Whose experiments?", text, asks_for_namespace=True))

    def namespace(self, request: Request) -> Response:
        """Lead to the namespace that was typed."""
        return _to(f"../{quoted(request.query_params.get('of', ''))}/")

    def listing(self, request: Request) -> Response:
        """The experiments of a place."""
        place = request.path_params["place"]
        self.access.check(request.headers, place, access.LIST)
        return self._rendered(
            request,
            (place,),
            lambda: self.versions.of(place, None),
            lambda version: self.pages.listing(place, self.source.summaries(place), version),
        )

    def experiment(self, request: Request) -> Response:
        """An experiment."""
        place, key = request.path_params["place"], request.path_params["key"]
        self.access.check(request.headers, place, access.EXPERIMENT)
        return self._rendered(
            request,
            (place, key),
            lambda: self.versions.of(place, key),
            lambda version: self.pages.experiment(place, key, self.source.report(place, key), version),
        )

    def trial(self, request: Request) -> Response:
        """A trial."""
        place, key, name = (request.path_params[part] for part in ("place", "key", "trial"))
        self.access.check(request.headers, place, access.TRIAL)
        return self._rendered(
            request,
            (place, key, name),
            lambda: self.versions.of(place, key),
            lambda version: self.pages.trial(place, key, self.source.trial(place, key, name), version),
        )

    def asset(self, request: Request) -> Response:
        """A style sheet or a script."""
        self.access.check(request.headers, "", ())
        name = request.path_params["name"]
        if name not in assets.NAMES:
            raise NotThereError(f"there is no file {name}")
        asset = assets.asset(name)
        answer = _compressed(request, asset.compressed, asset.media_type)
        # Its address has its version.
        answer.headers["cache-control"] = "private, max-age=86400, immutable"
        return answer

    def log(self, request: Request) -> Response:
        """The end of what a trial printed, as JSON."""
        place, key, name = (request.path_params[part] for part in ("place", "key", "trial"))
        self.access.check(request.headers, place, access.LOG)
        logs = self.source.logs(place, key, name)
        return JSONResponse([{"title": log.title, "text": log.text, "is_cut": log.is_cut} for log in logs])

    def compare(self, request: Request) -> Response:
        """Several experiments side by side."""
        place = request.path_params["place"]
        keys = tuple(dict.fromkeys(request.query_params.getlist("of")))
        if not _FEWEST_COMPARED <= len(keys) <= MOST_COMPARED:
            text = f"{_FEWEST_COMPARED} to {MOST_COMPARED} experiments can be compared, not {len(keys)}."
            return _page(request, self.pages.message(2, place, "Choose some", text), 400)
        self.access.check(request.headers, place, access.EXPERIMENT)
        return self._rendered(
            request,
            (place, "-", keys),
            lambda: self.versions.of(place, *keys),
            lambda version: self.pages.comparison(place, self._reports(place, keys), version),
        )

    def events(self, request: Request) -> Response:
        """Tell the newest version of a list, an experiment, or those that are compared, again and again."""
        place = request.path_params["place"]
        keys: Sequence[str] = request.query_params.getlist("of")[:MOST_COMPARED]
        if "key" in request.path_params:
            keys = [request.path_params["key"]]
        needs = access.EXPERIMENT if keys else access.LIST

        def look() -> str:
            self.access.check(request.headers, place, needs)
            return self.versions.of(place, *(keys or (None,)))

        look()
        told = events.stream(look, tuple(_TITLES), request.app.state.is_ending)
        return StreamingResponse(told, media_type="text/event-stream", headers={"x-accel-buffering": "no"})

    def refuse(self, request: Request, error: Exception) -> Response:
        """Say what is wrong."""
        status, title = next(value for kind, value in _TITLES.items() if isinstance(error, kind))
        if request.url.path.endswith("/-/log"):
            return JSONResponse({"title": title, "detail": str(error)}, status)
        depth = request.url.path.count("/") - 1
        asks = isinstance(error, RefusedError | NotThereError)
        place = request.path_params.get("place", "")
        return _page(request, self.pages.message(depth, place, title, str(error), asks_for_namespace=asks), status)

    def _rendered(
        self, request: Request, key: tuple[object, ...], version: Callable[[], str], render: Callable[[str], str]
    ) -> Response:
        return _compressed(request, self.rendered.page(key, version, render), "text/html")

    def _reports(self, place: str, keys: Sequence[str]) -> dict[str, Report]:
        return {key: self.source.report(place, key) for key in keys}


def make(source: Source, access: Access, setting: Setting, *, home: str, hosts: Sequence[str]) -> Starlette:
    """Make the application.

    Args:
        source: of the experiments.
        access: who may see them.
        setting: of the pages.
        home: the one place that there is; empty where there are several.
        hosts: by whose names the server is asked; any other name is another site's that leads here. None of them: any.
    """
    answers = Dashboard(
        source=source,
        access=access,
        pages=Pages(setting=setting),
        home=home,
        rendered=Rendered(),
        versions=Versions(source),
    )
    routes = [
        Route("/", answers.start),
        Route("/-/health", lambda _: PlainTextResponse("serving\n")),
        Route("/-/namespace", answers.namespace),
        Route("/-/static/{name}", answers.asset),
        Route("/{place}/", answers.listing),
        Route("/{place}/-/events", answers.events),
        Route("/{place}/-/compare", answers.compare),
        Route("/{place}/{key}/", answers.experiment),
        Route("/{place}/{key}/-/events", answers.events),
        Route("/{place}/{key}/{trial}/", answers.trial),
        Route("/{place}/{key}/{trial}/-/log", answers.log),
        Route("/{rest:path}", _with_slash),
    ]
    middleware = [Middleware(Protected, is_framed=setting.is_framed)]
    if hosts:
        middleware.append(Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False))
    made = Starlette(
        routes=routes,
        middleware=middleware,
        exception_handlers=dict.fromkeys(_TITLES, answers.refuse),
        lifespan=_with_few_threads,
    )
    made.state.is_ending = lambda: False  # the server that it is given to says more
    # A redirect of Starlette's own would name the host that it was asked by.
    made.router.redirect_slashes = False
    return made


@contextlib.asynccontextmanager
async def _with_few_threads(_: Starlette) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
    yield


def _with_slash(request: Request) -> Response:
    """Lead to the page of an address whose last slash was left out."""
    names = request.scope["path"].split("/")[1:]
    if len(names) > _DEEPEST or not {"", "-", ".", ".."}.isdisjoint(names):
        raise NotThereError("there is no such page")
    return _to(f"./{quoted(names[-1])}/")


def _to(address: str) -> Response:
    return RedirectResponse(address, status_code=307)


def _page(request: Request, text: str, status: int = 200) -> Response:
    return _compressed(request, gzip.compress(text.encode(errors="replace")), "text/html", status)


def _compressed(request: Request, content: bytes, media_type: str, status: int = 200) -> Response:
    """Send what is compressed as it is, but to who takes no gzip."""
    headers = {"vary": "accept-encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
    else:
        content = gzip.decompress(content)
    return Response(content, status, headers, media_type)

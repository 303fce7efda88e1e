"""A page on this machine: drop a file or type a sentence, see the report of it.

The server is the standard library's. It listens on loopback unless told otherwise, answers only requests that name the
address it listens on (so that no site in the same browser can reach it by a name of its own), takes uploads of a limited
size into a temporary folder, and keeps nothing.
"""

import sys
import tempfile
import threading
import webbrowser
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from multimodal_emotion.batch import Utterance
from multimodal_emotion.checkpoint import TrainedModel
from multimodal_emotion.errors import InputError
from multimodal_emotion.inputs import as_utterance, medium_of
from multimodal_emotion.page import document, page_writer
from multimodal_emotion.prediction import predict_utterances

LARGEST = 200 * 2**20
"""Bytes of an upload."""
LONGEST = 100_000
"""Bytes of a sentence."""
LOOPBACK = ("127.0.0.1", "localhost")
PATIENCE = 60
"""Seconds that a connection may be silent."""
BLOCK = 2**20


def serve(
    trained: TrainedModel,
    *,
    host: str = "127.0.0.1",
    port: int = 8765,
    threshold: float | int | None = None,
    transcribe: str | None = None,
    largest: int = LARGEST,
    browse: bool = False,
) -> None:
    """Serves the page until it is interrupted.

    Args:
        trained: the model that is asked.
        host: the address to listen on; another than loopback lets other machines in, without any password.
        port: 0 takes a free one.
        threshold, transcribe: see `prediction.write` and `prediction.predict`.
        largest: bytes of an upload.
        browse: whether to open the page in a browser.

    Raises:
        InputError: the address cannot be listened on.
    """
    with Server(trained, host, port, threshold=threshold, transcribe=transcribe, largest=largest) as server:
        print(f"{server.address}  (Ctrl+C ends it)", flush=True)
        if host not in LOOPBACK:
            print(f"other machines can reach this page at {host}: there is no password", file=sys.stderr, flush=True)
        if browse:
            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("ended", file=sys.stderr)


class Server(ThreadingHTTPServer):
    """The page and the model behind it. Requests wait for each other where they need the model."""

    daemon_threads = True

    def __init__(
        self,
        trained: TrainedModel,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        threshold: float | int | None = None,
        transcribe: str | None = None,
        largest: int = LARGEST,
    ) -> None:
        """See `serve`."""
        self.trained, self.threshold, self.transcribe, self.largest = trained, threshold, transcribe, largest
        self.turn = threading.Lock()
        try:
            super().__init__((host, port), Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"--host {host} --port {port}: {reason}; another --port, or 0 for a free one") from None
        self.host = host

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{self.host}:{self.server_address[1]}/"

    def names(self, host: str) -> bool:
        """Whether a Host header is an address of ours. Beyond loopback machines have names that we do not know."""
        name, _, port = host.rpartition(":")
        return self.host not in LOOPBACK or (name in LOOPBACK and port == str(self.server_address[1]))

    def home(self) -> str:
        """The page before anything was asked."""
        body = _part("app.html").replace("{{largest}}", str(self.largest // 2**20))
        data: dict[str, Any] = {
            "reports": [],
            "left": "",
            "threshold": 0.5 if self.threshold is None else self.threshold,
        }
        return document("Emotion", data, body=body, script=_part("app.js"), style=_part("app.css"))

    def report(self, utterance: Utterance, folder: Path) -> str:
        """The page of one prediction.

        Raises:
            InputError: what was sent cannot be read.
        """
        with self.turn:
            found = list(predict_utterances(self.trained, [utterance], transcribe=self.transcribe))
        with page_writer(folder / "report.html", self.threshold) as add:
            for item in found:
                add(item)
        return (folder / "report.html").read_text(encoding="utf-8")


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    timeout = PATIENCE
    server_version = "multimodal-emotion"
    sys_version = ""

    def do_GET(self) -> None:
        """The page."""
        if not self._welcome():
            return
        if self.path == "/":
            self._answer(HTTPStatus.OK, self.server.home(), "text/html")
        else:
            self._answer(HTTPStatus.NOT_FOUND, "there is nothing here but /")

    def do_POST(self) -> None:
        """The report of an upload, as a page; or one or two lines that say what is wrong with it."""
        self.close_connection = True  # what was not read of a refused upload must not be taken for a request
        if not self._welcome():
            return
        if self.path != "/predict":
            self._answer(HTTPStatus.NOT_FOUND, "files are sent to /predict")
            return
        name = Path(unquote(self.headers.get("X-Name", "sentence"))).name
        length = self.headers.get("Content-Length", "")
        limit = self.server.largest if medium_of(name) else LONGEST
        if not (length.isascii() and length.isdecimal()):
            self._answer(HTTPStatus.LENGTH_REQUIRED, "the length of the upload is not stated")
        elif int(length) > limit:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(name, int(length), limit))
        else:
            self._predict(name, int(length))

    def _predict(self, name: str, length: int) -> None:
        status, text, kind = HTTPStatus.OK, "", "text/html"
        try:
            with tempfile.TemporaryDirectory(prefix="multimodal_emotion_") as folder:
                path = Path(folder) / f"upload{Path(name).suffix.lower()}"
                text = self.server.report(self._upload(name, length, path), Path(folder))
        except InputError as error:
            # the user knows the file by its name, not by where it was put
            status, text, kind = HTTPStatus.UNPROCESSABLE_ENTITY, str(error).replace(str(path), name), "text/plain"
        except (TimeoutError, ConnectionError):
            return  # the browser has gone
        except Exception:
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, "The program failed; its terminal says where.")
            raise
        self._answer(status, text, kind)

    def _upload(self, name: str, length: int, path: Path) -> Utterance:
        """What was sent: a sentence; or a file, which is put at a path of ours and keeps its name as its id."""
        medium = medium_of(name)
        if medium is None and name != "sentence":
            raise InputError(f"{name}: neither a video nor a sound nor a picture, by its suffix")
        if medium is None:
            text = self.rfile.read(length).decode("utf-8", errors="replace").strip()
            if not text:
                raise InputError("the sentence is empty")
            return Utterance(id="sentence", text=text)
        with path.open("wb") as file:
            while length > 0 and (block := self.rfile.read(min(BLOCK, length))):
                file.write(block)
                length -= len(block)
        if length:
            raise InputError(f"{name}: the upload was cut off")
        return replace(as_utterance(path, name), id=name)

    def _welcome(self) -> bool:
        """Refuses what another site makes a browser send."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if self.server.names(host) and origin in (None, f"http://{host}"):
            return True
        self._answer(HTTPStatus.FORBIDDEN, f"this page is at {self.server.address}")
        return False

    def _answer(self, status: HTTPStatus, text: str, kind: str = "text/plain") -> None:
        content = text.encode("utf-8")
        self.send_response(status)
        for name, value in {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the browser has gone

    def log_message(self, format: str, *arguments: Any) -> None:
        """Says nothing: a log would keep what people asked."""


def _too_large(name: str, length: int, limit: int) -> str:
    if limit == LONGEST:
        return f"the sentence has {length} bytes; at most {limit}"
    return f"{name} has {length / 2**20:.0f} MB; at most {limit // 2**20} (--largest MB)"


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")

"""The client: one chat completion with logprobs, asked until it is answered or there is no sense in asking again."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from modalconflict.errors import InvalidArgument, IoError, ModelError

if TYPE_CHECKING:
    import httpx

_BUSY = frozenset({408, 409, 425, 429})  # and every 5xx: asking again later helps
_REFUSED = frozenset({401, 403, 404, 405})  # whatever the case: asking anything else does not help


@dataclass(frozen=True)
class Answer:
    """A server's answer to one run.

    Attributes
    ----------
    text
        The answer.
    tokens, logprobs
        The likeliest first tokens and their log-probabilities, best first.
    complete
        Whether the model ended the answer, rather than the limit of tokens.
    """

    text: str
    tokens: tuple[str, ...]
    logprobs: tuple[float, ...]
    complete: bool


class UnusableAnswer(ModelError):
    """An answer that cannot become a record; other runs may still be asked."""


class _Again(Exception):
    """An answer that may be another one a moment later."""

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.seconds = seconds


def missing_parts() -> str | None:
    """Say what to install, or None where everything is there."""
    try:
        import httpx  # noqa: F401
        import tenacity  # noqa: F401
    except ImportError as error:
        return f"The package '{error.name}' is not installed; install the client's parts by: pip install 'modalconflict[api]'"
    return None


class ChatClient:
    """Asks an OpenAI-compatible server for chat completions with logprobs.

    Parameters
    ----------
    url
        The server's base, up to and with its version: "http://localhost:8000/v1".
    model
        The model's name there.
    key
        Sent as a bearer token; None sends none.
    top_logprobs
        Tokens asked for. OpenAI allows 20; vLLM what its --max-logprobs says.
    max_tokens
        Longest answer.
    timeout
        Seconds that connecting, or one silence of the server, may take.
    attempts
        Times a busy, failing or silent server is asked the same, 1 or more.
    longest_wait
        Most seconds between two attempts; they double from half a second, with jitter, and a server's own Retry-After
        is kept to within it.

    Raises
    ------
    InvalidArgument
        If the URL or a number is out of range.
    IoError
        If the packages are not installed.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key: str | None = None,
        top_logprobs: int = 20,
        max_tokens: int = 8,
        timeout: float = 60.0,
        attempts: int = 5,
        longest_wait: float = 30.0,
    ) -> None:
        missing = missing_parts()
        if missing:
            raise IoError(missing)
        import httpx

        if not 1 <= top_logprobs <= 1000:
            raise InvalidArgument(
                f"top_logprobs is {top_logprobs}; give 1 to 1000 (servers allow 20 unless told otherwise)"
            )
        if not 1 <= attempts <= 100:
            raise InvalidArgument(f"attempts is {attempts}; give 1 to 100")
        if not timeout > 0:
            raise InvalidArgument(f"timeout is {timeout}; give a number of seconds above 0")
        self.url = checked_url(url)
        self.model = model
        self._top, self._length = top_logprobs, max_tokens
        self._attempts, self._longest_wait = attempts, longest_wait
        headers = {} if not key else {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(timeout=timeout, headers=headers, follow_redirects=False)

    def __enter__(self) -> ChatClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(self, content: list[dict[str, Any]]) -> Answer:
        """Ask one question and wait for its answer.

        Parameters
        ----------
        content
            Parts of the user's message, see `text_part` and `image_part`.

        Returns
        -------
        Answer

        Raises
        ------
        UnusableAnswer
            If this answer cannot be used: the server refused this request, or sent something else than a completion.
        IoError
            If the server cannot be reached, refuses the key or the path, or is busy beyond the last attempt.
        ModelError
            If the server gives no logprobs at all.
        """
        import tenacity

        growing = tenacity.wait_random_exponential(multiplier=0.5, max=self._longest_wait)

        def pause(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = getattr(error, "seconds", None)
            return growing(state) if asked is None else min(float(asked), self._longest_wait)

        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": self._length,
            "temperature": 0,
            "logprobs": True,
            "top_logprobs": self._top,
        }
        again = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Again),
            stop=tenacity.stop_after_attempt(self._attempts),
            wait=pause,
            reraise=True,
        )
        try:
            answer: Answer = again(self._once, body)
        except _Again as error:
            raise IoError(
                f"The server {self.url} gave no usable answer in {self._attempts} attempts ({error}); "
                "look at the server, then go on with --resume"
            ) from error
        return answer

    def _once(self, body: dict[str, Any]) -> Answer:
        import httpx

        try:
            response = self._http.post(f"{self.url}/chat/completions", json=body)
        except httpx.TimeoutException as error:
            raise _Again("no answer in time") from error
        except httpx.TransportError as error:
            raise _Again(f"{type(error).__name__}: {error}") from error
        status = response.status_code
        if status in _BUSY or status >= 500:
            raise _Again(f"status {status}", _seconds(response.headers.get("retry-after")))
        if status in _REFUSED:
            raise IoError(
                f"The server {self.url} refused the request (status {status}: {_reason(response)}); "
                "check the URL (it ends in /v1 as a rule), the model's name and the key"
            )
        if status != 200:
            raise UnusableAnswer(f"the server answered with status {status}: {_reason(response)}")
        try:
            document = response.json()
        except ValueError as error:
            raise _Again("its answer is no JSON: cut off, or from something else than the model") from error
        return read_completion(document)


def checked_url(url: str) -> str:
    """Return a base URL without its final slash, or raise `InvalidArgument`."""
    import httpx

    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InvalidArgument(f"'{url}' is no URL ({error}); give one like http://localhost:8000/v1") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InvalidArgument(f"'{url}' is no http or https URL; give one like http://localhost:8000/v1")
    if parsed.userinfo:
        raise InvalidArgument("the URL holds a user name or password; give the key by an environment variable instead")
    return url.rstrip("/")


def _seconds(retry_after: str | None) -> float | None:
    try:
        return None if retry_after is None else max(0.0, float(retry_after))
    except ValueError:  # a date: the growing wait will do
        return None


def _reason(response: httpx.Response) -> str:
    try:
        document = response.json()
        error = document.get("error", document)
        text = str(error.get("message", error) if isinstance(error, Mapping) else error)
    except (ValueError, AttributeError):
        text = response.text
    return (text.strip().splitlines() or ["no reason given"])[0][:200]


def read_completion(document: Any) -> Answer:
    """Read a chat completion's first choice: the text, and the likeliest tokens at its first token.

    Parameters
    ----------
    document
        The response's JSON.

    Returns
    -------
    Answer

    Raises
    ------
    UnusableAnswer
        If it is no completion, or holds no token.
    ModelError
        If it holds no logprobs, which then no answer of this server does.
    """
    try:
        choice = document["choices"][0]
        text = choice["message"]["content"]
    except (TypeError, KeyError, IndexError) as error:
        raise UnusableAnswer(f"the server's JSON is no chat completion ({type(error).__name__}: {error})") from error
    if not isinstance(text, str):
        raise UnusableAnswer("the server's answer holds no text")
    logprobs = choice.get("logprobs")
    positions = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if positions is None:
        raise ModelError(
            "The server gives no logprobs; serve the model with them (vLLM and the llama.cpp server do, some hosted "
            "models do not)"
        )
    if not positions:
        raise UnusableAnswer("the model answered with no token at all")
    try:
        first = positions[0]
        best = {str(entry["token"]): float(entry["logprob"]) for entry in first.get("top_logprobs") or [first]}
        # a server may leave the chosen token out of its best ones
        best.setdefault(str(first["token"]), float(first["logprob"]))
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise UnusableAnswer(f"the server's logprobs are malformed ({type(error).__name__}: {error})") from error
    ordered = sorted(best.items(), key=lambda item: -item[1])
    return Answer(
        text=text,
        tokens=tuple(token for token, _ in ordered),
        logprobs=tuple(logprob for _, logprob in ordered),
        complete=choice.get("finish_reason") != "length",
    )


def text_part(text: str) -> dict[str, Any]:
    """Return words as a part of a message."""
    return {"type": "text", "text": text}


def image_part(path: Path, read: Callable[[Path], bytes] = Path.read_bytes) -> dict[str, Any]:
    """Return an image file as a part of a message, its bytes in a data URL.

    Raises
    ------
    InvalidArgument
        If the file's name does not tell an image's type.
    IoError
        If it cannot be read.
    """
    kind = mimetypes.guess_type(path.name)[0] or ""
    if not kind.startswith("image/"):
        raise InvalidArgument(f"{path} is no image by its name; use .png or .jpg")
    try:
        data = base64.b64encode(read(path)).decode()
    except OSError as error:
        raise IoError(f"cannot read {path}: {error.strerror or error}; restore the file") from error
    return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}

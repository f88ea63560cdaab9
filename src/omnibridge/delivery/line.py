"""The line of a connector that does not speak HTTP, for as long as one exchange lasts: opened when first needed."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from math import inf
from types import TracebackType
from typing import Self

import anyio
import structlog

from omnibridge.channel import Channel
from omnibridge.connector import Request, Response, Transmit
from omnibridge.delivery.parcel import Lost, NeverSent
from omnibridge.errors import OmniBridgeError, Permanent, Retryable, StorageError, trail

__all__ = ["Line"]

_log = structlog.get_logger("omnibridge.delivery")


class Line:
    """One exchange's line. After an error that nobody foresaw it is hung up, and opened anew for the next request."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._stack = AsyncExitStack()
        self._transmit: Transmit | None = None

    async def send(self, request: Request, seconds: float) -> Response:
        """One request. Raises NeverSent, Lost, and Permanent as the author does."""
        if self._transmit is None:
            self._transmit = await self._open(seconds)
        try:
            with anyio.fail_after(seconds):
                return await self._transmit(request)
        except (Permanent, StorageError):
            raise
        except Retryable as error:
            raise NeverSent(error.what) from error
        except Exception as error:
            await self.close()
            raise Lost(self._say(error, "a request")) from error

    async def _open(self, seconds: float) -> Transmit:
        make = self._channel.connector.line
        if make is None:
            raise Permanent("this connector has no line", where=self._channel.name)
        stack = AsyncExitStack()
        # The line may bring scopes of its own that stay open: so its limit stays too, without an end once it stands.
        limit = stack.enter_context(anyio.CancelScope(deadline=anyio.current_time() + seconds))
        try:
            transmit = await stack.enter_async_context(make(self._channel.settings))
        except BaseException as error:
            await stack.__aexit__(*sys.exc_info())
            if limit.cancelled_caught:
                raise NeverSent("the line was not open in time") from None
            if isinstance(error, Permanent) or not isinstance(error, Exception):
                raise
            raise NeverSent(self._say(error, "opening the line")) from error
        limit.deadline = inf
        self._stack = stack
        return transmit

    def _say(self, error: Exception, what: str) -> str:
        """An error in words without anybody's data: only our own errors are known to have none."""
        if isinstance(error, TimeoutError):
            return "no answer in time"
        if isinstance(error, OmniBridgeError):
            return error.what
        _log.warning("trouble with a line", channel=self._channel.name, during=what, exception=trail(error))
        return type(error).__name__

    async def close(self) -> None:
        """Hang up. What goes wrong at that is only noted: what was asked has been answered."""
        stack, self._stack, self._transmit = self._stack, AsyncExitStack(), None
        try:
            await stack.aclose()
        except Exception as error:
            self._say(error, "closing the line")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self.close()
            return
        try:
            await self._stack.__aexit__(kind, error, trace)
        except Exception as another:
            if isinstance(error, Exception):
                raise error from None
            # What the line does beside our requests has failed, and so cancelled us.
            raise Retryable(self._say(another, "the line's own work")) from another

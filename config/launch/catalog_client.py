"""A client of the catalog's API, as far as publishing a file needs it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from config.contracts.jobs import JobState
from config.launch.errors import CommandFailed

_CHUNK_BYTES = 8 * 2**20
_POLL_SECONDS = 0.25
_TRIES = 5

Progress = Callable[[float, str], None]  # share done, 0 to 1, and what is being done


class CatalogRefused(CommandFailed):
    """The catalog did not do what it was asked; the message is its own."""


class MediaNotMade(CommandFailed):
    """The transcode job ended without a result; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Playback:
    """Where a published media can be watched."""

    hls: str
    dash: str
    player: str
    expires_at: str


class CatalogClient:
    """Speaks to one catalog as one logged-in user."""

    def __init__(self, session: ClientSession, token: str) -> None:
        self._session = session
        self._headers = {"Authorization": f"Bearer {token}"}

    async def create_release(self, name: str, *, year: int) -> dict[str, Any]:
        """A release with one main title."""
        body = {"name": {"main": name}, "year": year, "type": "MOVIE"}
        return await self._post("/api/v1/releases", body)

    async def create_episode(self, release_id: int, *, ordinal: float, name: str) -> dict[str, Any]:
        """An episode of a release."""
        body = {"release_id": release_id, "ordinal": ordinal, "name": name}
        return await self._post("/api/v1/episodes", body)

    async def upload(self, path: Path, *, episode_id: str, progress: Progress) -> str:
        """Upload a source by the tus protocol, going on where a cut-off piece ended; the media's id."""
        size = path.stat().st_size
        encoded = base64.b64encode(path.name.encode()).decode()
        episode = base64.b64encode(episode_id.encode()).decode()
        headers = {
            "Tus-Resumable": "1.0.0",
            "Upload-Length": str(size),
            "Upload-Metadata": f"filename {encoded},episode_id {episode}",
        }
        async with self._session.post(
            "/api/v1/media/uploads", headers=self._headers | headers
        ) as answer:
            if answer.status != 201:
                raise CatalogRefused(await _message(answer))
            location = answer.headers["Location"]
            media_id = (await answer.json())["media_id"]
        with path.open("rb") as file:
            offset, failures = 0, 0
            while True:
                file.seek(offset)
                chunk = await asyncio.to_thread(file.read, _CHUNK_BYTES)
                try:
                    offset = await self._append(location, offset, chunk)
                    failures = 0
                except (ClientError, OSError, TimeoutError) as error:
                    failures += 1
                    if failures >= _TRIES:
                        raise CatalogRefused(f"the upload broke off: {error}") from error
                    offset = await self._offset(location)
                progress(offset / max(size, 1), "upload")
                if offset >= size:
                    return str(media_id)

    async def until_published(self, media_id: str, progress: Progress) -> dict[str, Any]:
        """Follow the transcode job to its end; ``MediaNotMade`` if it fails."""
        while True:
            media = await self._get(f"/api/v1/media/{media_id}")
            job = media["job"] or {"state": JobState.QUEUED, "progress": 0, "stage": None}
            state = JobState(job["state"])
            progress(job["progress"], job["stage"] or state.value)
            if state is JobState.DONE and media["state"] == "ready":
                return media
            if state in (JobState.FAILED, JobState.CANCELLED):
                error = job.get("error") or {}
                raise MediaNotMade(error.get("message") or f"the job was {state.value}")
            await asyncio.sleep(_POLL_SECONDS)

    async def stream(self, media_id: str) -> Playback:
        """A signed playback URL; its place is taken when somebody plays it."""
        wanted = {"media_id": media_id, "reserve": False}
        body = await self._post("/api/v1/media/streams", wanted)
        return Playback(
            hls=body["hls"],
            dash=body["dash"],
            player=body["player"],
            expires_at=str(body["expires_at"]),
        )

    async def _append(self, location: str, offset: int, chunk: bytes) -> int:
        headers = {
            "Tus-Resumable": "1.0.0",
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
        }
        async with self._session.patch(
            location, data=io.BytesIO(chunk), headers=self._headers | headers
        ) as answer:
            if answer.status != 204:
                raise CatalogRefused(await _message(answer))
            return int(answer.headers["Upload-Offset"])

    async def _offset(self, location: str) -> int:
        headers = {"Tus-Resumable": "1.0.0"}
        async with self._session.head(location, headers=self._headers | headers) as answer:
            if answer.status not in (200, 204):
                raise CatalogRefused(f"the upload is gone (status {answer.status})")
            return int(answer.headers["Upload-Offset"])

    async def _get(self, path: str) -> dict[str, Any]:
        async with self._session.get(path, headers=self._headers) as answer:
            return await _checked(answer)

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with self._session.post(path, json=body, headers=self._headers) as answer:
            return await _checked(answer)


@contextlib.asynccontextmanager
async def logged_in(url: str, *, login: str, password: str) -> AsyncIterator[CatalogClient]:
    """A client of the catalog at ``url``."""
    timeout = ClientTimeout(total=None, sock_connect=5, sock_read=60)
    async with ClientSession(url, timeout=timeout) as session:
        try:
            async with session.post(
                "/api/v1/accounts/users/auth/login", json={"login": login, "password": password}
            ) as answer:
                token = (await _checked(answer))["token"]
        except (ClientError, OSError, TimeoutError) as error:
            raise CatalogRefused(f"no catalog answers at {url}: start it with `kawa up`") from error
        client = CatalogClient(session, token)
        try:
            yield client
        finally:
            with contextlib.suppress(ClientError, OSError, TimeoutError, CatalogRefused):
                await client._post("/api/v1/accounts/users/auth/logout", {})


async def _checked(answer: Any) -> dict[str, Any]:
    if answer.status >= 400:
        raise CatalogRefused(await _message(answer))
    body: dict[str, Any] = await answer.json()
    return body


async def _message(answer: Any) -> str:
    try:
        body = await answer.json()
    except (ClientError, ValueError):
        return f"status {answer.status}"
    if "errors" in body:
        return "; ".join(f"{name}: {', '.join(texts)}" for name, texts in body["errors"].items())
    return str(body.get("message", f"status {answer.status}"))

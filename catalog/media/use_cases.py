"""What can be done with media, and what the events of workers do to them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import TypeAdapter

from catalog import metrics
from catalog.anime.use_cases import episode_became_playable
from catalog.errors import (
    EpisodeNotFound,
    JobFinished,
    MediaNotFound,
    NoReadySource,
    NotRetryable,
)
from catalog.media.domain import Job, Source, SourceState, WorkerEvent
from catalog.media.playback import Playback
from catalog.media.ports import UnitOfWork
from config.contracts.events import MediaFailed, MediaTranscoded
from config.contracts.jobs import JobState
from config.contracts.paths import checked_path, playback_path, playback_scope, source_key
from config.runtime.logging import get_logger

log = get_logger(__name__)

_KEEP_CONSUMED_EVENTS = timedelta(days=7)
_MAX_DURATION_SECONDS = 7 * 24 * 3600

_TRANSCODED = TypeAdapter(MediaTranscoded)
_FAILED = TypeAdapter(MediaFailed)


def subject_of(public_id: int) -> str:
    """How a user is called in playback tokens."""
    return f"user:{public_id}"


async def media_with_job(media_id: UUID, uow: UnitOfWork) -> tuple[Source, Job | None]:
    """A media and its transcode job, or ``MediaNotFound``."""
    async with uow:
        source = await uow.sources.get(media_id)
        if source is None:
            raise MediaNotFound
        return source, await uow.jobs.get(media_id)


async def cancel(media_id: UUID, *, uow: UnitOfWork, now: datetime) -> None:
    """Stop the transcode of a media, or ``JobFinished``: state and abort request in one commit."""
    async with uow:
        source = await uow.sources.get(media_id, lock=True)
        if source is None:
            raise MediaNotFound
        job = await uow.jobs.get(media_id, lock=True)
        if job is None or not job.can_be_cancelled:
            raise JobFinished
        await uow.jobs.cancel(job, now=now)
        await uow.sources.set_state(media_id, SourceState.CANCELLED, now=now)
        await uow.commit()


async def retry(media_id: UUID, *, uow: UnitOfWork, now: datetime) -> None:
    """Queue a failed or cancelled transcode anew, or ``NotRetryable``."""
    async with uow:
        source = await uow.sources.get(media_id, lock=True)
        if source is None:
            raise MediaNotFound
        job = await uow.jobs.get(media_id, lock=True)
        if job is None or not job.can_be_retried:
            raise NotRetryable
        await uow.jobs.enqueue(media_id, source_key=source_key(media_id))
        await uow.sources.set_state(media_id, SourceState.PROCESSING, now=now)
        await uow.commit()


async def source_to_play(
    *, episode_id: UUID | None, media_id: UUID | None, uow: UnitOfWork
) -> Source:
    """What plays an episode, or one media; ``EpisodeNotFound``, ``MediaNotFound`` or ``NoReadySource``."""
    async with uow:
        if media_id is not None:
            source = await uow.sources.get(media_id)
            if source is None:
                raise MediaNotFound
        elif episode_id is not None:
            if not await uow.episodes.exists(episode_id):
                raise EpisodeNotFound
            ready = await uow.sources.ready_of([episode_id])
            source = ready[0] if ready else None
        else:
            raise MediaNotFound
    if source is None or not source.is_playable:
        raise NoReadySource
    return source


async def playlists_of(
    episode_ids: Collection[UUID],
    *,
    subject: str,
    playback: Playback,
    uow: UnitOfWork,
    now: datetime,
) -> dict[UUID, dict[int, str]]:
    """Within the caller's transaction: URLs of playlists by episode and quality, of those that are ready."""
    sources = await uow.sources.ready_of(episode_ids)
    by_media = playback.playlists(sources, subject=subject, now=now)
    return {
        source.episode_id: by_media[source.id]
        for source in sources
        if source.episode_id is not None
    }


async def consume_events(units: Callable[[], UnitOfWork], *, now: datetime) -> int:
    """Apply every event that waits, each in a transaction of its own; how many there were."""
    count = 0
    while await _consume_one(units(), now=now):
        count += 1
    return count


async def forget_consumed_events(*, uow: UnitOfWork, now: datetime) -> int:
    """Remove events that were applied a week ago; the number of them."""
    async with uow:
        count = await uow.events.remove_consumed(before=now - _KEEP_CONSUMED_EVENTS)
        await uow.commit()
    return count


async def _consume_one(uow: UnitOfWork, *, now: datetime) -> bool:
    async with uow:
        event = await uow.events.next_waiting()
        if event is None:
            return False
        result = await _apply(event, uow, now=now)
        # In the same commit as its effects: an event that is delivered twice is applied once.
        await uow.events.consumed(event.id)
        await uow.commit()
    name = event.name if event.name in (MediaTranscoded.NAME, MediaFailed.NAME) else "unknown"
    metrics.EVENTS.labels(name, result).inc()
    metrics.EVENT_LAG_SECONDS.observe(max(0.0, (now - event.created_at).total_seconds()))
    log.info("worker event", event_id=str(event.id), event_name=name, result=result)
    return True


async def _apply(event: WorkerEvent, uow: UnitOfWork, *, now: datetime) -> str:
    try:
        if event.name == MediaTranscoded.NAME:
            return await _transcoded(read_transcoded(event.payload), uow, now=now)
        if event.name == MediaFailed.NAME:
            return await _failed(_FAILED.validate_python(event.payload), uow, now=now)
    except ValueError:
        # One that cannot be read now never can be: it must not stop those behind it.
        log.exception("worker event cannot be read", event_id=str(event.id))
        return "unreadable"
    return "unknown"


def read_transcoded(payload: object) -> MediaTranscoded:
    """The event if everything in it can be stored and turned into URLs, otherwise ``ValueError``."""
    event = _TRANSCODED.validate_python(payload)
    for path in (event.prefix, *(item.playlist for item in event.renditions if item.playlist)):
        checked_path(path)
    if not f"{playback_path(event.prefix)}/".startswith(playback_scope(event.media_id)):
        raise ValueError("the prefix is not of this media")
    if not 0 < event.duration_seconds <= _MAX_DURATION_SECONDS or not 0 <= event.attempt < 2**31:
        raise ValueError("duration or attempt are out of bounds")
    return event


async def _transcoded(event: MediaTranscoded, uow: UnitOfWork, *, now: datetime) -> str:
    known = await uow.sources.get(event.media_id)
    if known is not None and known.episode_id is not None:
        # The episode before the source: two sources of one episode then cannot wait for each other.
        await uow.episodes.lock(known.episode_id)
    source = await uow.sources.get(event.media_id, lock=True)
    if source is None or event.attempt < source.attempt:
        return "outdated"
    replaced = source.episode_id is not None and await uow.sources.has_newer_ready(source)
    if source.episode_id is not None and not replaced:
        await uow.sources.retire_others(source.id, episode_id=source.episode_id, now=now)
    await uow.sources.publish(
        source.id,
        state=SourceState.RETIRED if replaced else SourceState.READY,
        attempt=event.attempt,
        prefix=event.prefix,
        duration_seconds=event.duration_seconds,
        renditions=event.renditions,
        now=now,
    )
    if source.episode_id is not None and not replaced:
        await episode_became_playable(
            source.episode_id, duration_seconds=event.duration_seconds, at=now, uow=uow
        )
    return "applied"


async def _failed(event: MediaFailed, uow: UnitOfWork, *, now: datetime) -> str:
    source = await uow.sources.get(event.media_id, lock=True)
    job = await uow.jobs.get(event.media_id, lock=True)
    if source is None or source.state is not SourceState.PROCESSING:
        return "outdated"
    # A job that was queued anew since then is not failed, whatever an older attempt says.
    if job is not None and (job.state is not JobState.FAILED or job.attempt > event.attempt):
        return "outdated"
    await uow.sources.set_state(source.id, SourceState.FAILED, now=now)
    return "applied"

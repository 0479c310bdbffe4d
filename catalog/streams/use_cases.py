"""What viewers do with their streams: start, keep, stop and look at them, and have them forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from catalog import metrics
from catalog.accounts.domain import User
from catalog.errors import DatabaseUnavailable, StreamEnded, StreamNotFound
from catalog.media.domain import Source
from catalog.media.playback import Playback, Stream
from catalog.media.use_cases import source_to_play, subject_of
from catalog.streams.domain import Aspect, Beat, Experience, StreamSession, ladder_of
from catalog.streams.ports import Places, ViewersWork
from config.contracts.advice import Advice, Advised, advise, current
from config.contracts.paths import playback_scope
from config.contracts.sessions import DeviceClass, Playing, SessionStart, session_key

# Of these a viewer may come back: the stream only fell silent.
_MAY_RETURN = frozenset({"timeout"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRules:
    """The settings that streams follow."""

    limit: int | None
    idle: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Beaten:
    """What a player is told that said it is still there."""

    session: StreamSession
    advice: Advice | None  # if it is a new one
    target_height: int | None  # the one that holds; None: none yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Some of a user's streams."""

    sessions: Sequence[tuple[StreamSession, bool]]  # and whether it plays
    total: int


async def start_stream(
    *,
    episode_id: UUID | None,
    media_id: UUID | None,
    user: User,
    reserve: bool,
    device: DeviceClass,
    rules: StreamRules,
    playback: Playback,
    places: Places,
    uow: ViewersWork,
    now: datetime,
) -> tuple[Stream, Source]:
    """URLs to play an episode or one media, and, to ``reserve``, a place; ``TooManyStreams`` if there is none."""
    source = await source_to_play(episode_id=episode_id, media_id=media_id, uow=uow)
    subject, scope = subject_of(user.public_id), playback_scope(source.id)
    stream = playback.stream(source, subject=subject, now=now)
    start = SessionStart(
        id=session_key(stream.id, scope, alone=True),
        grant=stream.id,
        subject=subject,
        content=scope,
        started_at=int(now.timestamp()),
        ends_at=int(stream.expires_at.timestamp()),
        limit=rules.limit,
        device=device,
    )
    if reserve:
        await places.take(start)
    try:
        async with uow:
            await uow.streams.open(start, now=now)
            await uow.commit()
    except DatabaseUnavailable:
        if reserve:
            await places.give_back(start)
        raise
    metrics.STREAMS.inc()
    return stream, source


async def keep_stream(
    session_id: str,
    beat: Beat,
    *,
    user: User,
    rules: StreamRules,
    places: Places,
    uow: ViewersWork,
    now: datetime,
) -> Beaten:
    """Keep a stream's place and take in how it plays; ``StreamNotFound``, ``StreamEnded`` or ``TooManyStreams``."""
    session = await _get(session_id, user, uow)
    if now >= session.ends_at or (session.has_stopped and session.reason not in _MAY_RETURN):
        raise StreamEnded
    start = _start_of(session, limit=rules.limit)
    await places.keep(start, paused=beat.paused)
    if (beaten := await _beat(session, beat, user=user, uow=uow, now=now)) is None:
        await places.give_back(start)  # it was stopped meanwhile
        raise StreamEnded
    return beaten


async def _beat(
    session: StreamSession, beat: Beat, *, user: User, uow: ViewersWork, now: datetime
) -> Beaten | None:
    async with uow:
        known = await uow.streams.beat(session.id, lock=True) or {}
        latest = await uow.streams.get(session.id, user_id=user.id)
        if latest is None or (latest.has_stopped and latest.reason not in _MAY_RETURN):
            return None
        source = None if session.media_id is None else await uow.sources.get(session.media_id)
        ladder = ladder_of(() if source is None else source.renditions)
        advised, advice = advise(
            Advised.from_json(known.get("advised", {})),
            beat.sample(),
            ladder,
            now=now.timestamp(),
        )
        said = {"quality": beat.to_json(), "advised": advised.to_json()}
        await uow.streams.set_beat(session.id, said, now=now)
        await uow.commit()
    rung = current(advised, ladder)
    return Beaten(
        session=session, advice=advice, target_height=None if rung is None else rung.height
    )


async def stop_stream(
    session_id: str, *, user: User, places: Places, uow: ViewersWork, now: datetime
) -> None:
    """End a stream: its place is free and its token opens nothing more; doing so again changes nothing."""
    session = await _get(session_id, user, uow)
    # One token may play a list of episodes: then only this one of them is to end.
    is_alone = session.id == session_key(session.grant, session.content, alone=True)
    start = _start_of(session, limit=None)
    await places.end(start, revoke=is_alone)
    async with uow:
        await uow.streams.stop(session_id, reason="stop", now=now)
        await uow.commit()
    await places.give_back(start)  # which a heartbeat on its way may have taken before that


async def streams_of(
    user: User,
    *,
    only_playing: bool,
    limit: int,
    offset: int,
    rules: StreamRules,
    places: Places,
    uow: ViewersWork,
    now: datetime,
) -> Watched:
    """A user's streams, the newest first."""
    live = await places.playing(subject_of(user.public_id))
    async with uow:
        if only_playing:
            sessions = await _playing(user, live, rules=rules, uow=uow, now=now)
            return Watched(
                sessions=[(session, True) for session in sessions[offset : offset + limit]],
                total=len(sessions),
            )
        found = await uow.streams.of_user(user.id, limit=limit, offset=offset)
        total = await uow.streams.count_of_user(user.id)
    ids = None if live is None else {one.session for one in live}
    return Watched(
        sessions=[
            (
                session,
                session.is_running(now=now, silent_for=rules.idle)
                if ids is None
                else session.id in ids,
            )
            for session in found
        ],
        total=total,
    )


async def experience_of(
    by: Aspect, *, hours: int, media_id: UUID | None, limit: int, uow: ViewersWork, now: datetime
) -> list[Experience]:
    """How well streams of the last hours played, by something that they have in common."""
    async with uow:
        return await uow.streams.experience(
            by, since=now - timedelta(hours=hours), media_id=media_id, limit=limit
        )


async def forget_subject(subject: str, *, places: Places, uow: ViewersWork, now: datetime) -> int:
    """Delete what is known of who watched what under this name; how many sessions it was."""
    async with uow:
        count = await uow.streams.forget(subject, now=now)
        await uow.commit()
    await places.forget(subject)
    return count


async def _get(session_id: str, user: User, uow: ViewersWork) -> StreamSession:
    async with uow:
        session = await uow.streams.get(session_id, user_id=user.id)
    if session is None:
        raise StreamNotFound
    return session


async def _playing(
    user: User,
    live: Sequence[Playing] | None,
    *,
    rules: StreamRules,
    uow: ViewersWork,
    now: datetime,
) -> list[StreamSession]:
    """What plays, with what is stored of it; its edge may not have told of it yet."""
    if live is None:
        return await uow.streams.running_of_user(user.id, since=now - rules.idle)
    stored = await uow.streams.by_ids([one.session for one in live], user_id=user.id)
    known = {session.id: session for session in stored}
    found = [known.get(one.session) or StreamSession.of(one, now=now) for one in live]
    return sorted(found, key=lambda session: session.started_at, reverse=True)


def _start_of(session: StreamSession, *, limit: int | None) -> SessionStart:
    return SessionStart(
        id=session.id,
        grant=session.grant,
        subject=session.subject,
        content=session.content,
        started_at=int(session.started_at.timestamp()),
        ends_at=int(session.ends_at.timestamp()),
        limit=limit,
        device=session.device,
    )

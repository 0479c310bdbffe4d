from __future__ import annotations

from aiohttp import ClientSession

from config.settings.load import Settings
from tests.edge.processes.harness import running, until

ORDERS = ("/reload", "/restart", "/cache/purge")


async def test_without_a_token_only_this_machines_own_clients_may_give_orders(
    settings: Settings,
) -> None:
    async with running(settings) as edge:
        workers = edge.workers()
        for headers in (
            {"Origin": "https://evil.example"},  # a web page in a browser on this machine
            {"Host": "evil.example"},  # the same by a name that leads here
            {"X-Forwarded-For": "203.0.113.7"},  # somebody behind a proxy on this machine
            {"Forwarded": "for=203.0.113.7"},
            {"Via": "1.1 proxy"},
        ):
            for path in ORDERS:
                status, answer = await edge.order(path, headers=headers)
                assert (status, answer["error"]) == (403, "not-allowed")
        assert edge.workers() == workers
        status, _ = await edge.order("/cache/purge", body={"kind": "all"})
        assert status == 200


async def test_with_a_token_it_must_be_sent_and_health_stays_open(settings: Settings) -> None:
    async with running(settings, KAWA_EDGE__ADMIN_TOKEN="s3cret-é") as edge:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "s3cret"}):
            for path in ORDERS:
                status, answer = await edge.order(path, headers=headers)
                assert (status, answer["error"]) == (401, "not-allowed")
        async with ClientSession() as session:
            async with session.get(f"{edge.admin}/cache/stats") as answer:
                assert answer.status == 401
            for path in ("/livez", "/readyz", "/healthz?verbose", "/metrics"):
                async with session.get(edge.admin + path) as answer:
                    assert answer.status == 200
        good = {"Authorization": "Bearer s3cret-é", "Origin": "https://console.example"}
        status, _ = await edge.order("/cache/purge", headers=good, body={"kind": "all"})
        assert status == 200
        assert "s3cret" not in edge.log.read_text()


async def test_each_order_leaves_a_line_in_the_log(settings: Settings) -> None:
    async with running(settings) as edge:
        await edge.order("/cache/purge", body={"kind": "tag", "value": "film-1", "soft": True})
        await edge.order("/restart")
        await edge.order("/restart", headers={"Via": "1.1 proxy"})

        async def logged() -> bool:
            return len(edge.events("audit")) == 3

        await until(logged)
        purge, restart, refused = edge.events("audit")
    assert (purge["action"], purge["kind"], purge["value"]) == ("purge", "tag", "film-1")
    assert purge["soft"] is True
    assert (restart["action"], restart["client"]) == ("restart", "127.0.0.1")
    assert refused["action"] == "/restart"
    assert "proxy" in refused["refused"]


async def test_a_purge_that_makes_no_sense_is_refused_with_the_reason(settings: Settings) -> None:
    async with running(settings) as edge:
        for body, said in (
            ({}, "kind is one of"),
            ({"kind": "url"}, "has one"),
            ({"kind": "url", "value": "/nowhere/a"}, "none of the origins"),
            ({"kind": "url", "value": "ftp://a/b"}, "http"),
            ([1], "object"),
        ):
            status, answer = await edge.order("/cache/purge", body=body)
            assert (status, answer["error"]) == (400, "bad-purge")
            assert said in answer["message"]


async def test_health_tells_what_the_edge_depends_on(settings: Settings) -> None:
    async with running(settings, workers=2) as edge:
        health = await edge.health()
        assert health["ready"] is True
        assert [worker["name"] for worker in health["workers"]] == ["w0a", "w1a"]
        assert sorted(worker["pid"] for worker in health["workers"]) == sorted(edge.workers())
        assert health["settings"]["last_error"] is None
        assert health["purges"] == {"feed": "off"}

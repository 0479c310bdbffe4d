from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest
from aiohttp import ClientSession

from config.runtime.keys import KeySet
from config.settings.load import Settings
from tests.edge.ads.player import read
from tests.edge.ads.stream import Stream
from tests.edge.processes.harness import Edge, running, until

STREAM = Stream(breaks=((4, 6),), window=20, marked=frozenset())
RULE = (
    'schema = 1\nname = "mine"\nversion = 1\nabout = "By path."\nthreshold = 50\n'
    "[[signal]]\nkind = \"path\"\npattern = '(^|/)%s[0-9]+'\nweight = 60\n"
)


@pytest.fixture(autouse=True)
def _keys(key_set: KeySet) -> None: ...


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "v0.m3u8").write_bytes(STREAM.playlist("v0", 9) + b"#EXT-X-ENDLIST\n")
    return folder


@pytest.fixture
def toml(tmp_path: Path, films: Path) -> Path:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "mine.toml").write_text(RULE % "nothing")
    path = tmp_path / "kawa.toml"
    path.write_text(
        f"[edge.ads]\nrules = {json.dumps(str(rules))}\n"
        f'[edge.origins.films]\nkind = "folder"\nfolder = {json.dumps(str(films))}\npublic = true\n'
        'ads = "strip"\nads_rules = ["mine"]\n'
    )
    return path


async def numbers(edge: Edge) -> list[int]:
    async with ClientSession() as session, session.get(f"{edge.url}/films/v0.m3u8") as answer:
        assert answer.status == 200
        return read(await answer.read()).numbers


async def test_rules_that_were_changed_count_after_a_reload_and_broken_ones_never(
    settings: Settings, toml: Path, tmp_path: Path
) -> None:
    file = tmp_path / "rules" / "mine.toml"
    async with running(settings, workers=2, KAWA_CONFIG=str(toml)) as edge:
        assert await numbers(edge) == list(range(10))

        file.write_text("schema = 1\nnonsense = true\n")
        status, answer = await edge.order("/reload")
        assert status != 200
        assert "mine.toml" in json.dumps(answer)
        assert await numbers(edge) == list(range(10))  # as before

        file.write_text(RULE % "ad")
        edge.process.send_signal(signal.SIGHUP)

        async def reloaded() -> bool:
            return bool(edge.events("reloaded"))

        await until(reloaded)
        for _ in range(6):  # whichever worker answers
            assert await numbers(edge) == [0, 1, 2, 3, 7, 8, 9]
        text = await edge.metrics()
        assert 'edge_ads_breaks_total{rule="mine@1"}' in text
        assert 'edge_ads_signals_total{signal="path"}' in text
        assert 'edge_ads_removed_total{policy="strip"}' in text


async def test_a_rule_that_is_not_there_is_said_at_the_start_in_one_line(
    settings: Settings, toml: Path
) -> None:
    toml.write_text(toml.read_text().replace('["mine"]', '["mine", "theirs"]'))
    # The harness says what the process wrote before it ended: this line alone.
    said = (
        r"\Akawa: edge\.origins\.films\.ads_rules: no rule is called 'theirs'; there are: [^\n]*\n"
    )
    with pytest.raises(AssertionError, match=said):
        async with asyncio.timeout(30), running(settings, KAWA_CONFIG=str(toml)):
            pass

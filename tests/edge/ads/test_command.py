from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from config.launch.cli import main
from tests.edge.ads.player import read
from tests.edge.ads.stream import MASTER, Stream
from tests.edge.ads.test_dash import periods_of, static
from tests.manifests.ads.dash_shows import mpd, splice_insert

STREAM = Stream(breaks=((20, 23),), window=20)


def kawa(*arguments: str, stdin: bytes = b"") -> Result:
    done = CliRunner().invoke(main, ["manifest", *arguments], input=stdin)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def row(*arguments: str, stdin: bytes) -> Any:
    done = kawa("-", "--format", "json", *arguments, stdin=stdin)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_explain_lists_the_breaks_in_the_terms_of_the_truth() -> None:
    found = row("--ads", "explain", stdin=STREAM.playlist("v0", 30))
    (one,) = found["ads"]
    because = one.pop("because")
    assert one == {
        "first_index": 9,
        "last_index": 12,
        "periods": None,
        "time_range": None,
        "seconds": 8.0,
        "score": 60,
        "signals": one["signals"],
        "rule": "scte35@1",
        "ambiguous": False,
    }
    assert set(one["signals"]) >= {"cue"}
    assert all(isinstance(sentence, str) and sentence for sentence in because)
    assert found["error"] is None
    assert "## kawa-ads:" in found["output"]


def test_explain_lists_periods_of_an_mpd() -> None:
    (one,) = row("--ads", "explain", "--ads-rules", "scte35", stdin=static())["ads"]
    assert (one["periods"], one["first_index"], one["seconds"]) == ([1], None, 30.0)
    assert one["time_range"] is None


def test_explain_says_which_part_of_a_period_is_a_break() -> None:
    event = f'<Event presentationTime="100" duration="300">{splice_insert(7, out=True, seconds=30)}</Event>'
    events = (
        f'<EventStream schemeIdUri="urn:scte:scte35:2013:xml" timescale="10">{event}</EventStream>'
    )
    data = mpd(f'<Period duration="PT5S"/><Period duration="PT60S">{events}</Period>')
    (one,) = row("--ads", "explain", "--ads-rules", "scte35", stdin=data)["ads"]
    assert one["time_range"] == {"period_index": 1, "start": 10.0, "end": 40.0}
    assert (one["periods"], one["seconds"]) == (None, 30.0)


def test_off_says_nothing_and_what_has_no_breaks_has_none() -> None:
    assert row(stdin=STREAM.playlist("v0", 30))["ads"] is None
    assert row("--ads", "explain", stdin=MASTER)["ads"] == []
    assert row("--ads", "explain", stdin=STREAM.playlist("v0", 19))["ads"] == []
    assert row("--ads", "explain", stdin=b'{"VERSION": 1}')["ads"] is None


def test_strip_and_gap_show_what_a_player_would_get() -> None:
    body = STREAM.playlist("v0", 30)
    stripped = kawa("-", "--ads", "strip", "--ads-rules", "scte35", stdin=body)
    assert read(stripped.stdout_bytes).numbers == [*range(11, 20), *range(24, 31)]
    gapped = kawa("-", "--ads", "gap", "--ads-rules", "scte35,twitch", stdin=body)
    told = read(gapped.stdout_bytes)
    assert [gap for _, _, _, gap in told.segments] == [20 <= n < 24 for n in told.numbers]
    mpd = kawa("-", "--ads", "strip", "--ads-rules", "scte35", stdin=static())
    assert periods_of(mpd.stdout_bytes) == [("c0", "PT0S"), ("c1", "PT60S")]


def test_every_change_is_told() -> None:
    found = row("--ads", "strip", "--ads-rules", "scte35", stdin=STREAM.playlist("v0", 30))
    assert any("ad20.ts" in change["from"] for change in found["changes"])


def test_a_filter_works_on_what_is_left() -> None:
    arguments = ("--ads", "strip", "--ads-rules", "scte35", "--filter", "height:..720")
    body = row(*arguments, stdin=STREAM.playlist("v0", 30))["output"]
    assert not read(body.encode()).has_ads


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--ads", "strip"), "--ads-rules"),
        (("--ads", "gap"), "--ads-rules"),
        (("--ads", "explain", "--ads-rules", "no-such"), "no-such"),
        (("--ads-rules", "scte35"), "--ads"),
    ],
)
def test_what_makes_no_sense_is_said(arguments: tuple[str, ...], said: str) -> None:
    done = kawa("-", *arguments, stdin=b"#EXTM3U\n")
    assert done.exit_code == 2
    assert said in done.stderr


def test_the_operators_own_rules_are_there_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.toml").write_text(
        'schema = 1\nname = "mine"\nversion = 2\nabout = "By path."\nthreshold = 50\n'
        "[[signal]]\nkind = \"path\"\npattern = '(^|/)ad[0-9]+'\nweight = 60\n"
    )
    monkeypatch.setenv("KAWA_EDGE__ADS__RULES", str(tmp_path))
    (one,) = row("--ads", "explain", "--ads-rules", "mine", stdin=STREAM.playlist("v0", 30))["ads"]
    assert one["rule"] == "mine@2"

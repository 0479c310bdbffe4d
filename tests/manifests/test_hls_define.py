from __future__ import annotations

import pytest

from edge.manifests.errors import BadDefine, BadReference, UndefinedVariable, UnlistedHost
from edge.manifests.hls.define import exported_defines
from edge.manifests.hls.rewrite import rewrite
from edge.manifests.hls.scan import scan
from tests.manifests.hls_player import BASE, MASTER, context, master, media, rewritten


def defines(**values: str) -> list[str]:
    return [f'#EXT-X-DEFINE:NAME="{name}",VALUE="{value}"' for name, value in values.items()]


HOST = "live.example.com:8443"


@pytest.mark.parametrize(
    ("values", "uri", "expected"),
    [
        pytest.param({"n": "1"}, "s{$n}.ts", "s{$n}.ts", id="relative: kept"),
        pytest.param({"n": "x/1"}, "a/{$n}.ts?t={$n}", "a/{$n}.ts?t={$n}", id="relative, a slash in it: kept"),
        pytest.param({"h": HOST}, "https://{$h}/s.ts", "../../../live/s.ts", id="host: resolved"),
        pytest.param({"h": HOST, "n": "1"}, "https://{$h}/a/{$n}.ts", "../../../live/a/{$n}.ts", id="host, not name"),
        pytest.param({"h": HOST, "d": "d"}, "https://{$h}/a/{$d}/s.ts", "../../../live/a/{$d}/s.ts", id="folder"),
        pytest.param({"p": f"https://{HOST}/x"}, "{$p}/s.ts", "../../../live/x/s.ts", id="all of the front"),
        pytest.param({"p": f"https://{HOST}/x", "n": "1"}, "{$p}/{$n}.ts", "../../../live/x/{$n}.ts", id="front"),
        pytest.param({"s": "https"}, "{$s}://cdn.example.com/vod/a/b/s.ts", "./s.ts", id="scheme"),
        pytest.param({"t": "a/b&c"}, f"https://{HOST}/s.ts?t={{$t}}", "../../../live/s.ts?t={$t}", id="query kept"),
        pytest.param({"n": "1"}, "/vod/a/{$n}.ts", "../{$n}.ts", id="rooted, name kept"),
        pytest.param({"n": "1"}, "/vod/a/b/{$n}.ts", "./{$n}.ts", id="own folder, name kept"),
        pytest.param({"n": "a:2"}, "/vod/a/b/{$n}.ts", "./{$n}.ts", id="a value like a scheme needs a dot"),
        pytest.param({"n": "../../c/1"}, "/vod/a/b/{$n}.ts", "./{$n}.ts", id="a value that climbs within the origin"),
        pytest.param({"d": "vod"}, "/{$d}/a/s.ts", "../s.ts", id="a folder the origin map needs"),
        pytest.param({"u": "../" * 3 + "vod/c"}, "{$u}/s.ts", "./{$u}/s.ts", id="climbs out and back in"),
        pytest.param({"u": "../" * 4 + "vod/c"}, "{$u}/s.ts", "../../c/s.ts", id="climbs to the top and back"),
        pytest.param({"a": "{$x}"}, "s.ts", "s.ts", id="a broken definition nobody uses"),
        pytest.param({"k": "v"}, "skd://{$k}", "skd://{$k}", id="another scheme"),
        pytest.param({"k": "skd"}, "{$k}://x", "{$k}://x", id="another scheme from a variable"),
        pytest.param({}, "a{$}b{$ x}{x}.ts", "a{$}b{$ x}{x}.ts", id="no variables at all"),
    ],
)  # fmt: skip
def test_a_variable_is_resolved_where_it_must_be_and_kept_where_it_may_be(
    values: dict[str, str], uri: str, expected: str
) -> None:
    lines = [*defines(**values), "#EXTINF:1,"]

    assert rewritten(media(*lines, uri)) == [*lines, expected]


def test_variables_in_attributes_are_resolved_too() -> None:
    lines = [*defines(h=HOST, n="k"), '#EXT-X-KEY:METHOD=AES-128,URI="https://{$h}/{$n}",IV=0x{$n}']

    assert (
        rewritten(media(*lines))[2]
        == '#EXT-X-KEY:METHOD=AES-128,URI="../../../live/{$n}",IV=0x{$n}'
    )


def test_a_variable_whose_value_has_variables() -> None:
    lines = defines(host=HOST, base="https://{$host}/x")

    assert rewritten(media(*lines, "{$base}/s.ts"))[2] == "../../../live/x/s.ts"


@pytest.mark.parametrize(
    "lines",
    [
        ["{$nobody}/s.ts"],
        ["https://{$nobody}/s.ts"],
        ["s{$nobody}.ts"],
        ["{$late}.ts", *defines(late="x")],
        [*defines(a="{$late}", late="x"), "{$a}.ts"],
    ],
)
def test_a_variable_that_nobody_declared_before_is_an_error_that_names_it(lines: list[str]) -> None:
    with pytest.raises(UndefinedVariable) as caught:
        rewrite(media(*lines), context())

    assert caught.value.name in ("nobody", "late", "a")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('#EXT-X-DEFINE:VALUE="x"', "needs one of"),
        ('#EXT-X-DEFINE:NAME="a",IMPORT="a"', "needs one of"),
        ('#EXT-X-DEFINE:NAME="a"', "no VALUE"),
        ('#EXT-X-DEFINE:NAME="a b",VALUE="x"', "no variable name"),
        ('#EXT-X-DEFINE:NAME="ok",VALUE="2"', "declared twice"),
        ('#EXT-X-DEFINE:NAME="b",VALUE="{$none}"', "no value"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_a_warning_and_stays(line: str, why: str) -> None:
    lines = [*defines(ok="1"), line, "s{$ok}.ts"]
    result = rewrite(media(*lines), context())

    assert result.output == media(*lines)
    assert len(result.warnings) == 1
    assert why in result.warnings[0]


def test_values_that_multiply_end_in_an_error() -> None:
    lines = defines(v0="x" * 1000, **{f"v{n}": f"{{$v{n - 1}}}" * 10 for n in range(1, 12)})
    with pytest.raises(UndefinedVariable):  # none of the larger ones is declared
        rewrite(media(*lines, "/vod/{$v11}"), context())
    with pytest.raises(BadDefine):
        rewrite(media(*lines, "/vod/" + "{$v1}" * 10), context())


IMPORT = '#EXT-X-DEFINE:IMPORT="v"'


def test_an_imported_value_comes_from_the_multivariant_playlist() -> None:
    lines = master(*defines(v=HOST, other="1"), '#EXT-X-DEFINE:QUERYPARAM="q"')
    exported = exported_defines(scan(lines), context(query={"q": "Q"}))

    assert exported == {"v": HOST, "other": "1", "q": "Q"}
    assert (
        rewritten(media(IMPORT, "https://{$v}/s.ts"), defines=exported)[1] == "../../../live/s.ts"
    )


def test_an_imported_value_that_is_not_known_may_stand_where_it_decides_nothing() -> None:
    lines = [
        IMPORT,
        "a{$v}.ts",
        "/vod/c/{$v}.ts",
        '#EXT-X-MAP:URI="/vod/{$v}/i.mp4"',
        "a/{$v}/s.ts",
    ]

    assert rewritten(media(*lines)) == [
        IMPORT,
        "a{$v}.ts",
        "../../c/{$v}.ts",
        '#EXT-X-MAP:URI="../../{$v}/i.mp4"',
        "a/{$v}/s.ts",
    ]
    for uri in ("{$v}/s.ts", "https://{$v}/s.ts", "{$v}://x/s.ts", "//x{$v}/s.ts"):
        with pytest.raises((UndefinedVariable, BadReference)):
            rewrite(media(IMPORT, uri), context())


PARAMETER = '#EXT-X-DEFINE:QUERYPARAM="q"'
STREAM = "#EXT-X-STREAM-INF:BANDWIDTH=1"


@pytest.mark.parametrize(
    ("upstream", "own", "declared"),
    [
        pytest.param("", {"q": "1"}, PARAMETER, id="the player's URL has it"),
        pytest.param("?q=1", {"q": "1"}, PARAMETER, id="both have the same"),
        pytest.param("?q=1", {}, '#EXT-X-DEFINE:NAME="q",VALUE="1"', id="only the origin's URL has it"),
        pytest.param("?q=1", {"q": "2"}, '#EXT-X-DEFINE:NAME="q",VALUE="1"', id="the origin redirected to another"),
        pytest.param("?q=a%20b", {}, '#EXT-X-DEFINE:NAME="q",VALUE="a b"', id="decoded"),
        pytest.param("?q=1&q=2", {}, '#EXT-X-DEFINE:NAME="q",VALUE="1"', id="the first of two"),
        pytest.param("", {}, PARAMETER, id="nobody has it"),
    ],
)  # fmt: skip
def test_a_query_parameter_stays_resolvable_for_the_player(
    upstream: str, own: dict[str, str], declared: str
) -> None:
    answer = rewritten(master(PARAMETER, STREAM, "v.m3u8?t={$q}"), base=BASE + upstream, query=own)

    assert answer == [declared, STREAM, "v.m3u8?t={$q}"]


def test_a_redeclared_parameter_keeps_the_rest_of_its_line_and_moves_the_marks() -> None:
    data = master('#EXT-X-DEFINE: QUERYPARAM = "q" , X=1', STREAM, "/vod/v.m3u8")
    result = rewrite(data, context(base=BASE + "?q=long-value"))

    assert (
        result.output
        == (
            MASTER
            + '#EXT-X-DEFINE: NAME="q",VALUE="long-value" , X=1\n'
            + STREAM
            + "\n../../v.m3u8\n"
        ).encode()
    )
    assert [result.output[p.start : p.stop] for p in result.places] == [b"../../v.m3u8"]


def test_a_parameter_decides_a_host_only_if_an_origin_covers_it() -> None:
    lines = master(PARAMETER, STREAM, "https://{$q}/v.m3u8")

    assert rewritten(lines, query={"q": HOST})[2] == "../../../live/v.m3u8"
    with pytest.raises(UnlistedHost):
        rewrite(lines, context(query={"q": "evil.example"}))


def test_a_value_that_no_quoted_string_can_hold_is_refused() -> None:
    with pytest.raises(BadDefine):
        rewrite(master(PARAMETER, STREAM, "v.m3u8"), context(base=BASE + "?q=%22%0Ax"))


@pytest.mark.parametrize("host", ["https://live.example.com:8443/", "https://left.example/"])
def test_the_value_of_a_query_parameter_cannot_become_attributes(host: str) -> None:
    data = media('#EXT-X-DEFINE:QUERYPARAM="q"', '#EXT-X-KEY:METHOD=AES-128,URI="{$q}/k"', "s.ts")
    query = {"q": f'{host}a",KEYFORMAT="x'}

    try:
        output = rewrite(data, context(query=query, unlisted="leave")).output
    except BadReference:
        return

    assert b"KEYFORMAT" not in output

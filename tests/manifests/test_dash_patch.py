from __future__ import annotations

import random
import re

import pytest

from edge.manifests.dash.patch import advertise_patch, make_patch
from edge.manifests.dash.rewrite import rewrite
from edge.manifests.dash.scan import scan
from edge.manifests.limits import DEFAULT
from tests.manifests import dash_corpus as corpus
from tests.manifests.dash_documents import Channel, context, mpd
from tests.manifests.dash_patcher import apply_patch, canonical

OLD, NEW = "2024-01-01T00:00:00Z", "2024-01-01T00:00:02Z"


def live(body: str, at: str, more: str = "") -> bytes:
    return mpd(body, f' id="m" type="dynamic" publishTime="{at}"{more}')


def padded(body: str) -> str:
    """Enough beside it that a patch is worth while."""
    return body + "<Metrics metrics='DVBErrors'><Reporting schemeIdUri='urn:x'/></Metrics>" * 10


def patched(old: bytes, new: bytes) -> bytes:
    patch = make_patch(old, new)
    assert patch is not None
    assert canonical(apply_patch(old, patch)) == canonical(new)
    return patch


@pytest.mark.parametrize("step", [2, 4, 10, 58, 62])
def test_a_live_channel_moves_by_patches(step: int) -> None:
    channel = Channel(window_segments=100)
    document = rewrite(channel.at(200), context(), DEFAULT).output

    for now in range(200 + step, 400, step):
        following = rewrite(channel.at(now), context(), DEFAULT).output
        patch = make_patch(document, following)
        assert patch is not None
        assert len(patch) < len(following)
        assert canonical(apply_patch(document, patch)) == canonical(following)
        document = following


def test_the_patches_of_a_steady_channel_are_small() -> None:
    channel = Channel(window_segments=1000, period_segments=10_000)
    old, new = channel.at(4000), channel.at(4002)

    patch = patched(old, new)

    assert len(patch) < len(new) / 10
    assert re.search(rb'<replace sel="[^"]*/S/@t">', patch)


def test_a_patch_names_both_documents() -> None:
    patch = patched(live(padded("<Period/>"), OLD), live(padded("<Period/>"), NEW))

    assert f'mpdId="m" originalPublishTime="{OLD}" publishTime="{NEW}"'.encode() in patch
    assert b'<replace sel="/MPD/@publishTime">2024-01-01T00:00:02Z</replace>' in patch


PERIOD = '<Period id="a"><AdaptationSet id="1"><Representation id="x"/></AdaptationSet></Period>'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            PERIOD,
            PERIOD + '<Period id="b" start="PT5S"><AdaptationSet/></Period>',
            id="a Period more",
        ),
        pytest.param('<Period id="0"/>' + PERIOD, PERIOD, id="a Period less"),
        pytest.param(PERIOD, '<Period id="0"/>' + PERIOD, id="a Period before"),
        pytest.param(
            '<Period id="1"/><Period id="2"/>',
            '<Period id="2"/><Period id="1"/>',
            id="Periods swapped",
        ),
        pytest.param(
            "<Period/><Period/>",
            "<Period/><Period/><Period start='PT1S'/>",
            id="Periods without id",
        ),
        pytest.param(
            '<Period id="a\'b"/><Period id="c"/>',
            '<Period id="a\'b" start="PT1S"/><Period id="c"/>',
            id="a quote in an id",
        ),
        pytest.param(
            '<Period id="a" duration="PT1S"/>',
            '<Period id="a" start="PT0S"/>',
            id="attributes come and go",
        ),
        pytest.param(
            "<BaseURL>a/</BaseURL><Period/>",
            "<BaseURL>b/?x=1&amp;y=2</BaseURL><Period/>",
            id="text",
        ),
        pytest.param("<Period/>", "<Location>l</Location><Period/>", id="at the start"),
        pytest.param("<Period/>", "<Period/><UTCTiming/><UTCTiming/>", id="at the end"),
        pytest.param(
            '<Period id="a"><x:a xmlns:x="urn:x" b="1"/></Period>',
            '<Period id="a"><x:a xmlns:x="urn:x" b="2"/></Period>',
            id="an extension changes",
        ),
        pytest.param(
            '<Period id="a"><BaseURL/></Period>',
            '<Period id="a"><BaseURL/><x:a xmlns:x="urn:x"/></Period>',
            id="an extension comes",
        ),
        pytest.param(
            '<Period id="a" lang="&lt;&amp;&quot;"/>',
            '<Period id="a" lang="&gt;&amp;amp;&#10;"/>',
            id="markup in a value",
        ),
        pytest.param(
            '<Period id="a"/>', '<Period id="a" xlink:href="x"/>', id="an attribute with a prefix"
        ),
        pytest.param('<Period id="a"/>', '<Period id="a" xml:lang="en"/>', id="a language"),
        pytest.param('<Period id="a"/>', '<Period id="a"><!-- new --></Period>', id="a comment"),
        pytest.param(
            '<EventStream schemeIdUri="a"/><Period/>',
            '<EventStream schemeIdUri="b"/><EventStream schemeIdUri="a"/><Period/>',
            id="streams of events",
        ),
    ],
)
def test_any_change_is_said(before: str, after: str) -> None:
    patched(live(padded(before), OLD), live(padded(after), NEW))


def timeline(segments: str) -> str:
    segments += "".join(f'<S t="{1000 + 10 * n}" d="{n}"/>' for n in range(3, 60))
    return (
        '<Period id="p"><AdaptationSet id="1"><SegmentTemplate media="$Time$"><SegmentTimeline>'
        f"{segments}</SegmentTimeline></SegmentTemplate></AdaptationSet></Period>"
    )


@pytest.mark.parametrize(
    ("before", "after", "operations"),
    [
        pytest.param('<S t="0" d="2" r="3"/>', '<S t="0" d="2" r="4"/>', [b"/S[1]/@r"], id="one more"),
        pytest.param('<S t="0" d="2"/>', '<S t="0" d="2" r="1"/>', [b'type="@r"'], id="a first repeat"),
        pytest.param('<S t="0" d="2" r="3"/>', '<S t="2" d="2" r="3"/>', [b"/S[1]/@t"], id="moved on"),
        pytest.param('<S t="0" d="2"/><S d="3"/>', '<S t="2" d="3"/><S d="5"/>',
                     [b"<remove sel", b'type="@t"', b"<add sel"], id="one out, one in"),
        pytest.param('<S t="0" d="2"/>', '<S t="9" d="2"/>', [b"<remove sel", b"<add sel"], id="all new"),
        pytest.param('<S t="0" d="2" r="-1"/>', '<S t="8" d="2" r="-1"/>', [b"/S[1]/@t"], id="endless"),
        pytest.param('<S t="0" d="2" k="2"/>', '<S t="0" d="2" k="3"/>', [b"/S[1]/@k"], id="a sequence"),
        pytest.param('<S t="x" d="2"/>', '<S t="x" d="3"/>', [b"/S[1]/@d"], id="no number"),
        pytest.param("", '<S t="0" d="2"/>', [b"<add sel"], id="the first"),
    ],
)  # fmt: skip
def test_timelines_are_patched_by_what_moved(
    before: str, after: str, operations: list[bytes]
) -> None:
    patch = patched(live(padded(timeline(before)), OLD), live(padded(timeline(after)), NEW))

    position = 0
    for operation in operations:
        position = patch.index(operation, position)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(
            mpd("<Period/>", f' publishTime="{OLD}"'), live("<Period/>", NEW), id="no id before"
        ),
        pytest.param(
            live("<Period/>", OLD),
            live("<Period/>", NEW).replace(b'id="m"', b'id="n"'),
            id="another id",
        ),
        pytest.param(live("<Period/>", OLD), live("<Period/><a/>", OLD), id="the same time"),
        pytest.param(live("<Period/>", OLD), mpd("<Period/>", ' id="m"'), id="no time"),
        pytest.param(
            live("<Period/>", OLD), live("<Period/>", NEW, ' xmlns:a="b"'), id="other namespaces"
        ),
        pytest.param(
            live("<Period/>", OLD), live("<Period id='1'/>", NEW), id="longer than the document"
        ),
    ],
)
def test_there_is_no_patch_when_the_document_is_better(old: bytes, new: bytes) -> None:
    assert make_patch(old, new) is None


def test_a_prefixed_mpd_is_patched_too() -> None:
    def prefixed(document: bytes) -> bytes:
        document = re.sub(rb"<(/?)(?=[A-Z])", rb"<\1m:", document)
        return document.replace(b"xmlns=", b"xmlns:m=")

    channel = Channel(window_segments=100)
    patched(prefixed(channel.at(200)), prefixed(channel.at(222)))


def test_documents_of_the_wild_are_patched_after_random_changes() -> None:
    chance = random.Random(5)
    made = 0
    for name in corpus.names():
        old = corpus.read(name)
        if not re.search(rb"<MPD[^>]*\spublishTime=", old) or re.search(rb"[<\s](yt|scte35):", old):
            continue
        if not re.search(rb"<MPD[^>]*\sid=", old):
            old = old.replace(b"<MPD ", b'<MPD id="m" ', 1)
        new = re.sub(rb'(<MPD[^>]*\spublishTime=["\'])', rb"\g<1>9", old, count=1)
        elements = [e for e in scan(new, DEFAULT).root.walk() if e.parent is not None]
        if elements:
            element = chance.choice(elements)
            whole = new[element.start : element.stop]
            change = chance.choice([b"", whole + whole, whole])
            new = new[: element.start] + change + new[element.stop :]
        patch = make_patch(old, new)
        if patch is not None:
            assert canonical(apply_patch(old, patch)) == canonical(new)
            made += 1
    assert made > 10


class TestAdvertising:
    def test_puts_the_location_where_the_schema_wants_it(self) -> None:
        data = Channel().at(100)

        output = advertise_patch(data, "one.mpp?publishTime=a&b", ttl=60)

        assert output == data.replace(
            b"</Location>",
            b'</Location>\n  <PatchLocation ttl="60">one.mpp?publishTime=a&amp;b</PatchLocation>',
        )

    def test_comes_first_when_nothing_stands_before_it(self) -> None:
        data = live("<Period/>", OLD)

        assert b'><PatchLocation ttl="1.5">p</PatchLocation><Period/>' in advertise_patch(
            data, "p", 1.5
        )

    def test_gives_an_id_to_a_presentation_without_one(self) -> None:
        data = mpd("<Period/>", f' type="dynamic" publishTime="{OLD}"')

        output = advertise_patch(data, "p", 60, mpd_id='a"b')

        assert scan(output, DEFAULT).root.get("id") == 'a"b'

    def test_keeps_the_prefix(self) -> None:
        data = f'<m:MPD xmlns:m="urn:mpeg:dash:schema:mpd:2011" type="dynamic" publishTime="{OLD}"/>'.encode()
        data = data.replace(b"/>", b"><m:Period/></m:MPD>")

        assert b'<m:PatchLocation ttl="60">p</m:PatchLocation><m:Period/>' in advertise_patch(
            data, "p", 60
        )

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(mpd("<Period/>", f' publishTime="{OLD}"'), id="static"),
            pytest.param(mpd("<Period/>", ' type="dynamic"'), id="no time"),
            pytest.param(live("<PatchLocation>x</PatchLocation><Period/>", OLD), id="has one"),
        ],
    )
    def test_leaves_alone_what_cannot_be_patched(self, data: bytes) -> None:
        assert advertise_patch(data, "p", 60) == data

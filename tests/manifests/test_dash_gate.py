from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from edge.manifests.dash.rewrite import rewrite
from edge.manifests.dash.scan import read, scan
from edge.manifests.errors import (
    HostileXml,
    ManifestError,
    NotAManifest,
    TooDeep,
    TooLarge,
    TooManyAttributes,
    TooManyElements,
    Truncated,
)
from edge.manifests.limits import DEFAULT, Limits
from tests.manifests.dash_documents import context, mpd

LAUGHS = (
    '<!DOCTYPE MPD [<!ENTITY a "ha">'
    + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]><MPD>&i;</MPD>"
).encode()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param(LAUGHS, HostileXml, id="billion laughs"),
        pytest.param(
            b'<!DOCTYPE MPD [<!ENTITY x SYSTEM "file:///etc/passwd">]><MPD>&x;</MPD>',
            HostileXml,
            id="XXE",
        ),
        pytest.param(
            b'<!DOCTYPE MPD SYSTEM "http://127.0.0.1/x.dtd"><MPD/>', HostileXml, id="external DTD"
        ),
        pytest.param(b"<!doctype mpd><MPD/>", HostileXml, id="lower case"),
        pytest.param(
            b"\xef\xbb\xbf <!DOCTYPE MPD><MPD/>", HostileXml, id="behind a byte-order mark"
        ),
        pytest.param(b"<MPD>&undeclared;</MPD>", NotAManifest, id="undeclared entity"),
        pytest.param("<MPD/>".encode("utf-16"), NotAManifest, id="UTF-16"),
        pytest.param("<MPD/>".encode("utf-16-be"), NotAManifest, id="UTF-16 without a mark"),
        pytest.param("<MPD/>".encode("utf-32"), NotAManifest, id="UTF-32"),
        pytest.param(
            '<?xml version="1.0" encoding="ISO-8859-1"?><MPD id="ü"/>'.encode(),
            NotAManifest,
            id="other encoding",
        ),
        pytest.param(b'<MPD id="\xfc"/>', NotAManifest, id="not UTF-8"),
        pytest.param(b'<MPD id="\xc3', Truncated, id="cut inside a character"),
        pytest.param(b"", NotAManifest, id="nothing"),
        pytest.param(b" \r\n", NotAManifest, id="white space"),
        pytest.param(b"#EXTM3U\n", NotAManifest, id="HLS"),
        pytest.param(b"<html><body></body></html>", NotAManifest, id="a web page"),
        pytest.param(b'<?xml version="1.0"?>', Truncated, id="a prolog alone"),
        pytest.param(b"<MPD", Truncated, id="cut inside a tag"),
        pytest.param(b'<MPD id="a>b', Truncated, id="cut inside a value"),
        pytest.param(b"<MPD><!-- ", Truncated, id="cut inside a comment"),
        pytest.param(b"<MPD><![CDA", Truncated, id="cut inside CDATA"),
        pytest.param(b"<MPD><?x ", Truncated, id="cut inside an instruction"),
        pytest.param(b"<MPD><Period>", Truncated, id="cut between tags"),
        pytest.param(b"<MPD></Period>", NotAManifest, id="crossed tags"),
        pytest.param(b"</MPD>", NotAManifest, id="an end without a start"),
        pytest.param(b"<MPD/><MPD/>", NotAManifest, id="two roots"),
        pytest.param(b"<MPD/>text", NotAManifest, id="text behind the root"),
        pytest.param(b'<MPD a="1" a="2"/>', NotAManifest, id="an attribute twice"),
        pytest.param(b"<MPD a=1/>", NotAManifest, id="no quotes"),
        pytest.param(b'<MPD a="<"/>', NotAManifest, id="a tag in a value"),
        pytest.param(b"<MPD>\x00</MPD>", NotAManifest, id="NUL"),
        pytest.param(b"<MPD>&#xD800;</MPD>", NotAManifest, id="a surrogate"),
        pytest.param(b"<MPD>]]></MPD>", NotAManifest, id="the end of CDATA alone"),
        pytest.param(b"<MPD><S/>< S/></MPD>", NotAManifest, id="a space before a name"),
        pytest.param(b"<S d='1'/>", NotAManifest, id="a segment alone"),
        pytest.param(b'<S d="1"/>', NotAManifest, id="a plain segment alone"),
        pytest.param(b"<a>" * 300 + b"</a>" * 300, TooDeep, id="depth"),
        pytest.param(b"<a>" * 200_000, TooDeep, id="depth bomb"),
        pytest.param(
            b"<MPD" + b' a="1"' * 100_000 + b"/>",
            NotAManifest,
            id="the same attribute 100000 times",
        ),
        pytest.param(
            b"<MPD" + b"".join(b' a%d="1"' % n for n in range(100_000)) + b"/>",
            TooManyAttributes,
            id="100000 attributes",
        ),
        pytest.param(b"<MPD>" + b"<a/>" * 500_001 + b"</MPD>", TooManyElements, id="elements"),
        pytest.param(b"<MPD>" + b"<S/>" * 500_001 + b"</MPD>", TooManyElements, id="segments"),
        pytest.param(b"<MPD>" + b" " * DEFAULT.bytes, TooLarge, id="bytes"),
    ],
)
def test_a_document_that_is_dangerous_or_meaningless_is_refused(
    data: bytes, error: type[ManifestError]
) -> None:
    with pytest.raises(ManifestError) as raised:
        scan(data, DEFAULT)

    assert type(raised.value) is error
    assert str(raised.value)


def test_depth_up_to_the_limit_is_accepted() -> None:
    deep = b"<a>" * 63 + b"</a>" * 63

    scan(b"<MPD>" + deep + b"</MPD>", DEFAULT)
    with pytest.raises(TooDeep):
        scan(b"<MPD><a>" + deep + b"</a></MPD>", DEFAULT)


def test_attributes_up_to_the_limit_are_accepted() -> None:
    attributes = [f' a{n}=""' for n in range(257)]

    scan(f"<MPD{''.join(attributes[:-1])}/>".encode(), DEFAULT)
    with pytest.raises(TooManyAttributes):
        scan(f"<MPD{''.join(attributes)}/>".encode(), DEFAULT)


def test_prefixes_without_a_declaration_are_tolerated_but_not_what_stands_behind_them() -> None:
    many = b"<x:a y:b=''/>" * 300

    scan(b"<MPD>" + many + b"</MPD>", DEFAULT)
    with pytest.raises(NotAManifest, match="line 1"):
        scan(b"<MPD>" + many + b"&nbsp;</MPD>", DEFAULT)


def test_an_encoding_that_names_what_the_bytes_are_anyway_is_accepted() -> None:
    scan(b'<?xml version="1.0" encoding="ISO-8859-1"?><MPD/>', DEFAULT)
    scan('<?xml version="1.0" encoding="utf-8"?><MPD id="ü"/>'.encode(), DEFAULT)


def test_entities_in_a_comment_or_the_text_of_a_message_are_refused_as_well() -> None:
    with pytest.raises(HostileXml):
        scan(b"<MPD><![CDATA[<!DOCTYPE html>]]></MPD>", DEFAULT)


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(lambda n: mpd('<Period id="1"/>\n' * n), id="elements"),
        pytest.param(
            lambda n: mpd(
                "<Period><SegmentTimeline>" + '<S d="1"/>' * n + "</SegmentTimeline></Period>"
            ),
            id="segments",
        ),
        pytest.param(lambda n: mpd("<!-- - - -->" * n), id="comments"),
        pytest.param(lambda n: mpd("<a/>" + "<!--" * n), id="comments that never end"),
        pytest.param(lambda n: mpd('<a b="' * n), id="values that never end"),
        pytest.param(lambda n: mpd("<![CDATA[ ]] ]>]]>" * n), id="CDATA"),
        pytest.param(lambda n: mpd("<?a ? ??>" * n), id="instructions"),
        pytest.param(
            lambda n: mpd("<BaseURL>https://cdn.example/a/</BaseURL>" + "]" * 30 * n), id="brackets"
        ),
        pytest.param(
            lambda n: mpd(
                "<Period><AdaptationSet><SegmentList>"
                + "".join(f"<SegmentURL media='https://cdn.example/{i}'/>" for i in range(n))
                + "</SegmentList><Representation/></AdaptationSet></Period>"
            ),
            id="absolute segments",
        ),
        pytest.param(
            lambda n: mpd("".join(f'<a{i} xmlns:p{i}="u"><b/></a{i}>' for i in range(n))),
            id="namespaces",
        ),
        pytest.param(
            lambda n: mpd(
                "<Period><AdaptationSet>"
                + "<Representation><BaseURL>a/</BaseURL></Representation>" * n
                + '<SegmentTemplate media="https://cdn.example/$Time$"/></AdaptationSet></Period>'
            ),
            id="bases",
        ),
    ],
)
def test_time_is_linear_in_size(piece: Callable[[int], bytes]) -> None:
    def seconds(count: int) -> float:
        data = piece(count)
        best = 10.0
        for _ in range(3):
            start = time.perf_counter()
            try:
                result = rewrite(data, context(), DEFAULT)
                assert result.edits is not None
            except ManifestError:
                pass
            best = min(best, time.perf_counter() - start)
        return best

    small, large = seconds(200), seconds(3200)

    # Sixteen times the size: sixteen times as long, not 256 times.
    assert large < max(small, 0.0005) * 80


def test_limits_are_the_callers() -> None:
    with pytest.raises(TooLarge):
        scan(mpd("<Period/>"), Limits(bytes=10))
    with pytest.raises(TooManyElements):
        read(b"<a><b/><c/></a>", Limits(elements=2))

from __future__ import annotations

import re

from lxml import etree

from edge.manifests.dash.scan import scan
from edge.manifests.dash.select import apply_dash
from edge.manifests.filters.grammar import parse_filter
from edge.manifests.limits import DEFAULT

CENC = "urn:mpeg:cenc:2013"
WIDEVINE = "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"
HEAD = f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" xmlns:cenc="{CENC}">'


def source(name: str, pssh: str = "AAAA", attributes: str = "") -> str:
    return (
        f'<ContentProtection schemeIdUri="{WIDEVINE}" refId="{name}" robustness="HW"{attributes}>'
        f"<cenc:pssh>{pssh}</cenc:pssh></ContentProtection>"
    )


def reference(name: str, attributes: str = "") -> str:
    return f'<ContentProtection schemeIdUri="{WIDEVINE}" ref="{name}"{attributes}/>'


def video(height: int, *inside: str, attributes: str = "") -> str:
    return (
        f'<AdaptationSet contentType="video"{attributes}>{"".join(inside)}'
        f'<Representation id="v{height}" bandwidth="{height}" height="{height}"/></AdaptationSet>\n'
    )


def filtered(body: str, wanted: str, head: str = HEAD) -> bytes:
    data = f"{head}<Period>{body}</Period></MPD>".encode()
    return apply_dash(data, scan(data, DEFAULT), parse_filter(wanted)).output(data)


def protections(output: bytes) -> list[tuple[dict[str, str], list[str]]]:
    """Every ContentProtection: its attributes, and the licence data in it."""
    root = etree.fromstring(output)
    found = root.iter("{urn:mpeg:dash:schema:mpd:2011}ContentProtection")
    return [
        (
            {str(key): str(value) for key, value in one.attrib.items()},
            [child.text or "" for child in one.findall(f"{{{CENC}}}pssh")],
        )
        for one in found
    ]


WHOLE = {"schemeIdUri": WIDEVINE, "refId": "w", "robustness": "HW"}


def test_the_first_that_refers_to_it_takes_the_place_of_one_that_goes() -> None:
    body = video(1080, source("w")) + video(720, reference("w")) + video(360, reference("w"))

    assert protections(filtered(body, "height:..720")) == [
        (WHOLE, ["AAAA"]),
        ({"schemeIdUri": WIDEVINE, "ref": "w"}, []),
    ]


def test_what_stays_referred_to_stays_as_it_is() -> None:
    body = video(1080, reference("w")) + video(720, source("w")) + video(360, reference("w"))

    output = filtered(body, "height:..720")

    assert source("w").encode() in output
    assert reference("w").encode() in output
    assert len(protections(output)) == 2


def test_nothing_is_kept_that_nobody_refers_to() -> None:
    output = filtered(video(1080, source("w")) + video(360, reference("other")), "height:..720")

    assert protections(output) == [({"schemeIdUri": WIDEVINE, "ref": "other"}, [])]


def test_what_the_reference_says_itself_counts() -> None:
    body = video(1080, source("w")) + video(
        360, reference("w", ' robustness="SW" cenc:default_KID="1"')
    )

    assert protections(filtered(body, "height:..720")) == [
        ({**WHOLE, "robustness": "SW", f"{{{CENC}}}default_KID": "1"}, ["AAAA"])
    ]


def test_prefixes_keep_their_meaning_in_the_new_place() -> None:
    head = '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" xmlns:cenc="urn:other" xmlns:k="urn:k">'
    with_prefix = f' xmlns:cenc="{CENC}" xmlns:k="urn:k?a&amp;b"'
    body = video(1080, source("w", attributes=' k:x="1"'), attributes=with_prefix) + video(
        360, reference("w")
    )

    ((attributes, pssh),) = protections(filtered(body, "height:..720", head))

    assert pssh == ["AAAA"]
    assert attributes["{urn:k?a&b}x"] == "1"


def test_a_reference_in_a_representation_that_moves_is_mended_where_it_goes() -> None:
    representations = "".join(
        f'<Representation id="v{height}" bandwidth="{height}" height="{height}">{reference("w")}</Representation>\n'
        for height in (720, 480, 360)
    )
    body = (
        video(1080, source("w"))
        + f'<AdaptationSet contentType="video">{representations}</AdaptationSet>'
    )

    output = filtered(body, "height:..720~order:up")

    assert re.findall(rb'Representation id="(v\d+)"', output) == [b"v360", b"v480", b"v720"]
    assert [one for one in protections(output) if one[1]] == [(WHOLE, ["AAAA"])]
    assert output.count(b'refId="w"') == 1
    assert output.count(b'ref="w"') == 2


def test_a_period_that_goes_leaves_its_protection_to_the_next() -> None:
    data = (
        f"{HEAD}<Period id='a' duration='PT1S'><AdaptationSet contentType='audio'>{source('w')}"
        "<Representation id='a' bandwidth='1'/></AdaptationSet></Period>"
        f"<Period id='b'>{video(360, reference('w'))}</Period></MPD>"
    ).encode()

    output = apply_dash(data, scan(data, DEFAULT), parse_filter("type:video")).output(data)

    assert protections(output) == [(WHOLE, ["AAAA"])]


def test_every_one_of_many_references_is_mended() -> None:
    many = "".join(source(f"w{n}") for n in range(3000))
    representations = "".join(
        f'<Representation id="r{n}" bandwidth="{9000 - n}" height="360">{reference(f"w{n}")}</Representation>'
        for n in range(3000)
    )
    body = (
        video(1080, many) + f'<AdaptationSet contentType="video">{representations}</AdaptationSet>'
    )

    output = filtered(body, "height:..720~order:up")

    assert output.count(b"refId=") == 3000
    assert b" ref=" not in output

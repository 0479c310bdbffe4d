"""Feeds ``produce`` with bytes made by atheris: ``python -m tests.manifests.fuzz_target hls|dash LIBFUZZER-OPTIONS``.

An input is one byte for the filter, one for the context, and the manifest. Anything raised but ``ManifestError``,
and any input that takes longer than libFuzzer's ``-timeout``, ends the run and is kept.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["edge.manifests"]):
    from edge.manifests.context import Context
    from edge.manifests.errors import ManifestError
    from edge.manifests.filters.grammar import parse_filter
    from edge.manifests.limits import Limits
    from edge.manifests.pipeline import Format, produce
    from edge.manifests.places import with_query_token
    from edge.manifests.uris import OriginMap

LIMITS = Limits(
    bytes=64 * 1024, lines=2_000, line_bytes=8_192, xml_depth=32, elements=5_000, uris=5_000
)
_ORIGINS = (
    ("o", "https://origin.example/vod/"),
    ("above", "https://origin.example/"),
    ("cdn", "http://cdn.example:8080/a/b/"),
)
CONTEXTS = (
    Context(base=None, origins=OriginMap(()), origin="", path=""),
    *(
        Context(
            base="https://origin.example/vod/a/m",
            origins=OriginMap(_ORIGINS),
            origin="o",
            path=path,
            unlisted=unlisted,
            carry=(lambda url: "/x/" + url.encode("utf-8", "surrogateescape").hex())
            if unlisted == "carry"
            else None,
            query={"token": "abc"},
            defines={"base": "../b"},
        )
        for path in ("a/m", "m", "x/y/z/m")
        for unlisted in ("leave", "refuse", "carry")
    ),
)
FILTERS = (
    None,
    *(
        parse_filter(text, limits=True)
        for text in (
            "height:..720",
            "limit-height:480~limit-lang:en",
            "vcodec:!hevc,!av1~order:up~first:720",
            "alang:en,ja~tlang:de~default:ja~tdefault:off",
            "type:audio~channels:2~acodec:aac",
            "fps:..30~range:sdr~bandwidth:200000..3000000~width:640..",
            "type:!trick,!image~order:down~first:low",
        )
    ),
)


def one_input(data: bytes) -> None:
    """One manifest through the pipeline, twice over for the token; only our own errors may come out."""
    if len(data) < 2:
        return
    filter_ = FILTERS[data[0] % len(FILTERS)]
    context = CONTEXTS[data[1] % len(CONTEXTS)]
    manifest = data[2:]
    try:
        made = produce(manifest, context, filter_, limits=LIMITS)
    except ManifestError as error:
        str(error)
        return
    if context.base is None and filter_ is None and made.output != manifest:
        raise AssertionError("without a base and a filter the output is the input")
    made.changes()
    with_query_token(made.output, made.places(), "T0K", xml=made.format is Format.DASH)
    last = 0
    for place in made.places():
        if not last <= place.start <= place.stop <= len(made.output):
            raise AssertionError("the places are in order and inside the output")
        last = place.stop


def main() -> None:
    """Run libFuzzer."""
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

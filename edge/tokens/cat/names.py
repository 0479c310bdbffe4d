"""What the numbers mean: claims (IANA registry "CWT Claims"), COSE header parameters, tags."""

from __future__ import annotations

from typing import Final

# CTA-5007: where a token stands, unless its catr names another place for the next one.
HEADER: Final = "CTA-Common-Access-Token"
COOKIE: Final = "CTA-Common-Access-Token"

# CBOR tags: RFC 8392 section 6, RFC 9052 section 2, RFC 9164 section 5.
TAG_CWT: Final = 61
TAG_MAC0: Final = 17
TAG_SIGN1: Final = 18
TAG_IPV4: Final = 52
TAG_IPV6: Final = 54

# COSE header parameters, RFC 9052 section 3.1.
PARAMETER_ALG: Final = 1
PARAMETER_CRIT: Final = 2
PARAMETER_KID: Final = 4

# RFC 8392 section 3.1, RFC 8747 section 3.1.
ISS: Final = 1
SUB: Final = 2
AUD: Final = 3
EXP: Final = 4
NBF: Final = 5
IAT: Final = 6
CTI: Final = 7
CNF: Final = 8

# CTA-5007, and CTA-5009 for geohash.
GEOHASH: Final = 282
CATREPLAY: Final = 308
CATPOR: Final = 309
CATV: Final = 310
CATNIP: Final = 311
CATU: Final = 312
CATM: Final = 313
CATALPN: Final = 314
CATH: Final = 315
CATGEOISO3166: Final = 316
CATGEOCOORD: Final = 317
CATGEOALT: Final = 318
CATTPK: Final = 319
CATIFDATA: Final = 320
CATDPOP: Final = 321
CATIF: Final = 322
CATR: Final = 323
CATTPRINT: Final = 324

CLAIMS: Final = {
    ISS: "iss",
    SUB: "sub",
    AUD: "aud",
    EXP: "exp",
    NBF: "nbf",
    IAT: "iat",
    CTI: "cti",
    CNF: "cnf",
    GEOHASH: "geohash",
    CATREPLAY: "catreplay",
    CATPOR: "catpor",
    CATV: "catv",
    CATNIP: "catnip",
    CATU: "catu",
    CATM: "catm",
    CATALPN: "catalpn",
    CATH: "cath",
    CATGEOISO3166: "catgeoiso3166",
    CATGEOCOORD: "catgeocoord",
    CATGEOALT: "catgeoalt",
    CATTPK: "cattpk",
    CATIFDATA: "catifdata",
    CATDPOP: "catdpop",
    CATIF: "catif",
    CATR: "catr",
    CATTPRINT: "cattprint",
}

# What frames a message, or sets what other requests rely on, is the edge's own.
OWN_FIELDS: Final = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "date",
        "keep-alive",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

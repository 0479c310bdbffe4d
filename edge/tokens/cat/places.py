"""catgeocoord and geohash: where the client is, as far as the edge knows."""

from __future__ import annotations

import math
from dataclasses import dataclass

from config.contracts.grants import Asked
from edge.errors import PlaceNotCovered, TokenBadClaims
from edge.tokens.cat.clients import entries
from edge.tokens.cat.names import CATGEOCOORD, GEOHASH

_EARTH_METRES = 6_371_008.8  # mean radius, IUGG
_ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz"
_MAX_GEOHASH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """Everywhere within a distance of a point."""

    latitude: float
    longitude: float
    metres: float

    def holds(self, latitude: float, longitude: float) -> bool:
        """Whether the point is in it, by the great circle."""
        first, second = math.radians(self.latitude), math.radians(latitude)
        across = math.radians(longitude - self.longitude) / 2
        haversine = (
            math.sin((second - first) / 2) ** 2
            + math.cos(first) * math.cos(second) * math.sin(across) ** 2
        )
        return 2 * _EARTH_METRES * math.asin(math.sqrt(min(1.0, haversine))) <= self.metres


@dataclass(frozen=True, slots=True)
class Around:
    """The client is within one of these circles."""

    circles: tuple[Circle, ...]
    reason = PlaceNotCovered.code
    claim = CATGEOCOORD

    @classmethod
    def of(cls, value: object) -> Around:
        """Read the claim, arrays of latitude, longitude and metres, or raise ``TokenBadClaims``."""
        return cls(tuple(map(_circle, entries(value, claim="catgeocoord"))))

    def allows(self, asked: Asked) -> bool:
        """Whether the client is known to be in one."""
        latitude, longitude = asked.place.latitude, asked.place.longitude
        return (
            latitude is not None
            and longitude is not None
            and any(circle.holds(latitude, longitude) for circle in self.circles)
        )

    def to_json(self) -> object:
        """The circles."""
        return {
            "catgeocoord": [
                [circle.latitude, circle.longitude, circle.metres] for circle in self.circles
            ]
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What a geohash stands for: a rectangle of latitudes and longitudes."""

    text: str
    south: float
    north: float
    west: float
    east: float

    @classmethod
    def of(cls, text: object) -> Cell:
        """Read a geohash (CTA-5009), whose letters halve longitudes and latitudes by turns."""
        if type(text) is not str or not 0 < len(text) <= _MAX_GEOHASH:
            raise TokenBadClaims("The token's geohash is not one.")
        west, east, south, north = -180.0, 180.0, -90.0, 90.0
        of_longitude = True
        for letter in text.lower():
            number = _ALPHABET.find(letter)
            if number < 0:
                raise TokenBadClaims("The token's geohash is not one.")
            for bit in (16, 8, 4, 2, 1):
                if of_longitude:
                    middle = (west + east) / 2
                    west, east = (middle, east) if number & bit else (west, middle)
                else:
                    middle = (south + north) / 2
                    south, north = (middle, north) if number & bit else (south, middle)
                of_longitude = not of_longitude
        return cls(text=text.lower(), south=south, north=north, west=west, east=east)

    def holds(self, latitude: float, longitude: float) -> bool:
        """Whether the point is in it; what lies on an edge belongs to the cell to its north or east."""
        return (
            self.south <= latitude
            and (latitude < self.north or self.north == 90)
            and self.west <= longitude
            and (longitude < self.east or self.east == 180)
        )


@dataclass(frozen=True, slots=True)
class Cells:
    """The client is within one of these cells."""

    cells: tuple[Cell, ...]
    reason = PlaceNotCovered.code
    claim = GEOHASH

    @classmethod
    def of(cls, value: object) -> Cells:
        """Read the claim, one geohash or an array of them, or raise ``TokenBadClaims``."""
        texts = (value,) if type(value) is str else entries(value, claim="geohash")
        return cls(tuple(map(Cell.of, texts)))

    def allows(self, asked: Asked) -> bool:
        """Whether the client is known to be in one."""
        latitude, longitude = asked.place.latitude, asked.place.longitude
        return (
            latitude is not None
            and longitude is not None
            and any(cell.holds(latitude, longitude) for cell in self.cells)
        )

    def to_json(self) -> object:
        """The geohashes."""
        return {"geohash": [cell.text for cell in self.cells]}


def _circle(value: object) -> Circle:
    if type(value) is not tuple or len(value) != 3:
        raise TokenBadClaims("The token's catgeocoord has an entry that is no circle.")
    numbers = [
        float(number) for number in value if type(number) in (int, float) and abs(number) < 1e9
    ]
    if len(numbers) != 3 or abs(numbers[0]) > 90 or abs(numbers[1]) > 180 or numbers[2] < 0:
        raise TokenBadClaims("The token's catgeocoord has an entry that is no circle.")
    return Circle(latitude=numbers[0], longitude=numbers[1], metres=numbers[2])

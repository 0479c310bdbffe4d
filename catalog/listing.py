"""What every list has in common: pages, and which fields the caller wants."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator
from yarl import URL

MAX_PER_PAGE = 50
_MAX_PATHS = 100
_MAX_DEPTH = 5
_PATH = re.compile(r"[a-z0-9_]{1,64}(?:\.[a-z0-9_]{1,64})*\Z")

# Field names to subtrees; None stands for the field with everything below it.
Tree = dict[str, "Tree | None"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which fields of an object, and of the objects inside it, are wanted; ``exclude`` wins."""

    include: Tree | None = None  # None: everything
    exclude: Tree = field(default_factory=dict)

    @classmethod
    def of(cls, include: Iterable[str], exclude: Iterable[str]) -> Selection:
        """Read two lists of dotted paths, or raise ``ValueError``."""
        return cls(_tree(include) or None, _tree(exclude))

    def wants(self, name: str) -> bool:
        """Whether any part of this field is wanted."""
        if self.exclude.get(name, self.exclude) is None:
            return False
        return self.include is None or name in self.include

    def below(self, name: str) -> Selection:
        """The selection that holds inside a wanted field."""
        return Selection(
            None if self.include is None else self.include.get(name),
            self.exclude.get(name) or {},
        )

    def prune(self, value: Any) -> Any:
        """``value`` without the fields that are not wanted, in objects and in lists of objects."""
        if self.include is None and not self.exclude:
            return value
        if isinstance(value, dict):
            return {
                name: self.below(name).prune(item)
                for name, item in value.items()
                if self.wants(name)
            }
        if isinstance(value, list):
            return [self.prune(item) for item in value]
        return value


EVERYTHING = Selection()


def _tree(paths: Iterable[str]) -> Tree:
    tree: Tree = {}
    for count, path in enumerate(paths):
        if count >= _MAX_PATHS:
            raise ValueError(f"at most {_MAX_PATHS} fields")
        names = path.split(".")
        if len(names) > _MAX_DEPTH or not _PATH.match(path):
            raise ValueError(f"not a field path of at most {_MAX_DEPTH} names: {path[:64]!r}")
        _add(tree, names)
    return tree


def _add(tree: Tree, names: list[str]) -> None:
    for name in names[:-1]:
        below = tree.setdefault(name, {})
        if below is None:
            return  # the whole field was named already
        tree = below
    tree[names[-1]] = None


class FieldsQuery(BaseModel):
    """Field selection of a query string."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    include: Annotated[
        tuple[str, ...], Field(description="Only these fields; dots reach into objects.")
    ] = ()
    exclude: Annotated[
        tuple[str, ...], Field(description="Not these fields; wins over include.")
    ] = ()

    @field_validator("include", "exclude")
    @classmethod
    def _are_paths(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        _tree(value)
        return value

    def selection(self) -> Selection:
        """The selection that was asked for."""
        return Selection.of(self.include, self.exclude)


class LimitQuery(FieldsQuery):
    """Field selection and the length of a list that has no pages."""

    limit: Annotated[
        int, Field(ge=1, description=f"Most items; more than {MAX_PER_PAGE} gives {MAX_PER_PAGE}.")
    ] = 14

    @property
    def count(self) -> int:
        return min(self.limit, MAX_PER_PAGE)


class PageQuery(FieldsQuery):
    """Field selection and which page of a list is wanted."""

    page: Annotated[int, Field(ge=1, le=1_000_000, description="The page, from 1.")] = 1
    limit: Annotated[
        int,
        Field(ge=1, description=f"Items of a page; more than {MAX_PER_PAGE} gives {MAX_PER_PAGE}."),
    ] = 15

    @property
    def per_page(self) -> int:
        return min(self.limit, MAX_PER_PAGE)

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.per_page


class Links(BaseModel):
    previous: str | None
    next: str | None


def links_of(url: URL, query: PageQuery, total: int) -> dict[str, str | None]:
    """Where the pages before and after this one are."""

    def link(page: int) -> str | None:
        if not 1 <= page <= -(-total // query.per_page) or page == query.page:
            return None
        return str(url.update_query({"page": str(page)}))

    return {"previous": link(query.page - 1), "next": link(query.page + 1)}


class Pagination(BaseModel):
    total: int
    count: int
    per_page: int
    current_page: int
    total_pages: int
    links: Links


class PageMeta(BaseModel):
    pagination: Pagination


def page_of(
    items: list[dict[str, Any]], *, total: int, query: PageQuery, links: Mapping[str, str | None]
) -> dict[str, Any]:
    """The contract's envelope around one page."""
    return {
        "data": items,
        "meta": {
            "pagination": {
                "total": total,
                "count": len(items),
                "per_page": query.per_page,
                "current_page": query.page,
                "total_pages": -(-total // query.per_page),
                "links": dict(links),
            }
        },
    }

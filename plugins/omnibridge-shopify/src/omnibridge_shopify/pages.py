"""Reading what the pages inside a record left out."""

from __future__ import annotations

from omnibridge.connector import Http
from omnibridge_shopify.document import Document
from omnibridge_shopify.graphql import Json, ask
from omnibridge_shopify.settings import Shopify

__all__ = ["rest"]


async def rest(settings: Shopify, http: Http, document: Document, id_: str, holder: Json, name: str) -> None:
    """Put the further pages of `holder[name]` beside its first. `document` asks by `id` and `after`."""
    nodes: list[Json] = holder[name]["nodes"]
    page: Json = holder[name]["pageInfo"]
    while page["hasNextPage"]:
        after = page["endCursor"]
        data = await ask(settings, http, document, {"id": id_, "after": after})
        owner: Json | None = next(iter(data.values()))
        if owner is None:
            return
        nodes.extend(owner[name]["nodes"])
        page = owner[name]["pageInfo"]
        if page["endCursor"] == after:
            return

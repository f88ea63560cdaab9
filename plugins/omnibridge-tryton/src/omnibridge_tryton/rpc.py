"""Calls of one exchange to Tryton's models and wizards, with its questions answered.

Tryton asks "are you sure?" by refusing a call with a `UserWarning` that has a name. A client that is sure stores the
answer with `res.user.warning.skip` and makes the call again; the answer holds for that one time (Tryton 8.2, tested).
What is delivered here has happened already, so that most such questions have one answer only: the setting `warnings`
says which are answered so. Each is told on the receipt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from omnibridge.connector import Http, Protection, Response, Upsert
from omnibridge.errors import InvalidMessage, Permanent
from omnibridge_tryton.settings import TrytonSettings
from omnibridge_tryton.wire import HEADERS, PATH, RowT, answer, envelope, fault, is_list, rows

__all__ = ["Rpc"]

_QUESTIONS = 5  # of one call; a server that asks on and on is not answered on and on


@dataclass(frozen=True, slots=True)
class Rpc:
    """Calls of one exchange, all in the channel's company. Every method raises Permanent and InvalidMessage."""

    settings: TrytonSettings
    http: Http
    answered: list[str] = field(default_factory=list[str])
    """What Tryton asked, in its own words, and was answered with yes."""

    def context(self, **more: object) -> dict[str, object]:
        """The context of a call: the company, and what is given."""
        return {"company": self.settings.company, **more}

    async def ask(self, method: str, *params: object, **context: object) -> object:
        """A call of `model.<method>` that changes nothing."""
        full = f"model.{method}"
        body = envelope(full, [*params, self.context(**context)])
        return answer(full, await self.http.query(PATH, json=body, headers=HEADERS))

    async def do(
        self, step: str, method: str, *params: object, protection: Protection | None = None, **context: object
    ) -> object:
        """A call of `model.<method>` that writes."""
        return await self._call(step, f"model.{method}", [*params, self.context(**context)], protection)

    async def wizard(
        self, step: str, method: str, record: tuple[str, int], *params: object, protection: Protection | None = None
    ) -> object:
        """A call of `wizard.<method>` (`create`, `execute` and `delete` of a wizard) upon a record: model and id."""
        model, id_ = record
        context = self.context(active_model=model, active_id=id_, active_ids=[id_])
        return await self._call(step, f"wizard.{method}", [*params, context], protection)

    async def _call(self, step: str, method: str, params: Sequence[object], protection: Protection | None) -> object:
        body = envelope(method, params)
        sent = await self.http.post(PATH, json=body, headers=HEADERS, step=step, protection=protection)
        for turn in range(1, _QUESTIONS + 1):
            question = self._question(sent)
            if question is None:
                break
            sure = envelope("model.res.user.warning.skip", [question, False, self.context()])
            await self.http.post(PATH, json=sure, headers=HEADERS, step=f"{step}-sure-{turn}", protection=Upsert())
            # The refused call was rolled back, so that this is the same step once more, under a name of its own.
            sent = await self.http.post(
                PATH, json=body, headers=HEADERS, step=f"{step}-again-{turn}", protection=protection
            )
        return answer(method, sent)

    def _question(self, response: Response) -> str | None:
        """The name of the warning in `response` when the settings answer it."""
        asked = fault(response.json()) if response.ok else None
        if asked is None or asked.name != "UserWarning" or asked.question is None:
            return None
        about = asked.question.partition(".")[2] or asked.question
        if not any(fnmatchcase(about, pattern) for pattern in self.settings.warnings):
            return None
        self.answered.append(asked.message or about)
        return asked.question

    def note(self, *more: str | None) -> str | None:
        """A receipt's note: `more`, and what was answered on the way."""
        texts = [text for text in more if text]
        texts += [f"answered with yes: {text}" for text in dict.fromkeys(self.answered)]
        return "; ".join(texts) or None

    async def create(self, step: str, model: str, values: Mapping[str, object]) -> int:
        """Make one record of `model`, unprotected, and return its id."""
        made = await self.do(step, f"{model}.create", [dict(values)])
        id_ = made[0] if is_list(made) and len(made) == 1 else None
        if not isinstance(id_, int):
            raise InvalidMessage("the id of the new record is missing", where=model)
        return id_

    async def press(self, step: str, button: str, ids: Sequence[int]) -> Permanent | None:
        """Press a button (`sale.sale.quote`) of some records, and return a refusal rather than raise it.

        Tryton refuses a second press, and a press may be repeated when its answer was lost. So whoever presses looks
        at the records after a refusal, and raises it when nothing came of the press before.
        """
        try:
            await self.do(step, button, list(ids), protection=Upsert())
        except Permanent as refusal:
            return refusal
        return None

    async def find(
        self,
        model: str,
        row: type[RowT],
        domain: Sequence[object],
        fields: Sequence[str],
        *,
        limit: int | None = None,
        order: Sequence[Sequence[str]] | None = None,
        **context: object,
    ) -> list[RowT]:
        """Records of `model` that meet `domain`, with the inactive ones."""
        return rows(row, await self.search(model, domain, fields, limit=limit, order=order, **context))

    async def search(
        self,
        model: str,
        domain: Sequence[object],
        fields: Sequence[str],
        *,
        limit: int | None = None,
        order: Sequence[Sequence[str]] | None = None,
        **context: object,
    ) -> list[object]:
        """The same as they come, so that one that is malformed does not spoil the others."""
        context = {"active_test": False, **context}
        found = await self.ask(f"{model}.search_read", domain, 0, limit, order, fields, **context)
        if not is_list(found):
            raise InvalidMessage("not a list of records", where=model)
        return found

"""The gate every word passes, before the model and after it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hornbook.safety.normalise import clean, fold
from hornbook.safety.patterns import Finding, find, under_way
from hornbook.safety.policy import ACTIONS, Policy

BLACK = {"personal": "[personal data]", "secret": "[secret]", "injection": "[removed]"}


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a text.

    action: the strictest that any finding asks for. category: that of the finding which asked for it, None when the
    text is allowed untouched. text: what may pass: cleaned, blacked out, or the policy's message for a refusal.
    kinds: everything seen that the policy does not simply allow, without repetition.
    """

    action: str
    category: str | None
    text: str
    kinds: tuple[str, ...] = ()


class Gate:
    """Asks a policy about what the patterns find."""

    def __init__(self, policy: Policy | None = None):
        self.policy = policy or Policy.default()

    def check(self, text: str, side: str) -> Verdict:
        """The verdict on a whole text on its side: "input", "page" or "output"."""
        text = clean(text)
        return self.judge(text, found(text), side)

    def judge(self, text: str, findings: Sequence[Finding], side: str) -> Verdict:
        """The verdict on a clean text in which this was found."""
        actions = self.policy.actions[side]
        findings = [finding for finding in findings if actions[finding.category] != "allow"]
        if not findings:
            return Verdict("allow", None, text)
        strictest = max(findings, key=lambda finding: ACTIONS.index(actions[finding.category]))
        action = actions[strictest.category]
        kinds = tuple(dict.fromkeys(finding.kind for finding in findings))
        if action == "refuse":
            return Verdict(action, strictest.category, self.policy.message, kinds)
        black = [finding for finding in findings if actions[finding.category] == "redact"]
        return Verdict(action, strictest.category, _blacked_out(text, black), kinds)

    def stream(self, side: str = "output") -> GateStream:
        """A gate for a text that comes in pieces."""
        return GateStream(self, side)


class GateStream:
    """Lets through of a growing text what no later piece can make refusable or redacted.

    All that is let through together is what `Gate.check` would give for the whole, unless it is refused: then nothing
    of what was found, nor after it, passes. `verdict` is the strictest so far.
    """

    def __init__(self, gate: Gate, side: str):
        self._gate, self._side = gate, side
        # What is only flagged passes all the same, so it need not be waited for.
        actions = gate.policy.actions[side]
        self._awaited = [category for category, action in actions.items() if action in ("redact", "refuse")]
        self._text = ""  # the last character that has passed, then what is held back
        self._passed = 0
        self.verdict = Verdict("allow", None, "")

    @property
    def refused(self) -> bool:
        return self.verdict.action == "refuse"

    def push(self, piece: str) -> str:
        """What may pass now that `piece` has come."""
        if self.refused or not piece:
            return ""
        self._text = clean(self._text + piece)
        plain, places = fold(self._text)
        begun = under_way(plain, self._awaited, bisect_left(places, self._passed) if places else self._passed)
        if places:
            begun = places[begun] if begun < len(places) else len(self._text)
        return self._let_through(begun)

    def finish(self) -> str:
        """What was still held back."""
        return "" if self.refused else self._let_through(len(self._text), last=True)

    def _let_through(self, until: int, *, last: bool = False) -> str:
        text = self._text
        if not last:
            until = min(until, len(text) - 1)  # the next character may be an accent, or take back what ends here
        findings = found(text, self._passed)
        for finding in sorted(findings, key=lambda finding: -finding.end):
            if finding.start < until < finding.end or (finding.end == len(text) and not last):
                until = min(until, finding.start)
        if until <= self._passed:
            return ""
        settled = [finding for finding in findings if finding.end <= until]
        verdict = self._gate.judge(text[:until], settled, self._side)
        if ACTIONS.index(verdict.action) > ACTIONS.index(self.verdict.action):
            self.verdict = verdict
        passed, self._text, self._passed = self._passed, text[until - 1 :], 1
        return "" if verdict.action == "refuse" else verdict.text[passed:]


def found(text: str, start: int = 0) -> list[Finding]:
    """What the patterns see in a clean text from `start` on, by its places in that text."""
    plain, places = fold(text)
    if places is None:
        return list(find(plain, start))
    return [
        Finding(finding.kind, finding.category, places[finding.start], places[finding.end - 1] + 1)
        for finding in find(plain, bisect_left(places, start))
    ]


def _blacked_out(text: str, findings: Iterable[Finding]) -> str:
    parts: list[str] = []
    place = 0
    for finding in sorted(findings, key=lambda finding: (finding.start, -finding.end)):
        if finding.start >= place:
            parts += [text[place : finding.start], BLACK[finding.category]]
        place = max(place, finding.end)
    return "".join([*parts, text[place:]])

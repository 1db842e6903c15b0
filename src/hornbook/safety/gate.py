"""The gate every word passes, before the model and after it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hornbook.safety.normalise import clean, fold, settled
from hornbook.safety.patterns import CATEGORIES, Finding, find, under_way
from hornbook.safety.policy import ACTIONS, CLOSING, Policy
from hornbook.safety.unsafe import UNSAFE, Unsafe, sentences, tells

BLACK = {"personal": "[personal data]", "secret": "[secret]"}
REMOVED = "[removed]"
Asked = list[tuple[str, Finding]]  # what the policy asks for what was found, by where that begins
Heard = Callable[[str, "Verdict", str], None]
_STOPS = re.compile(r"[.!?…\n。！？]")


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a text.

    action: the strictest that any finding asks for. category: that of the finding which asked for it, the first of
    several, None when the text is allowed untouched. text: what may pass: cleaned, blacked out, or the policy's words
    for what is refused. kinds: everything seen that the policy does not simply allow, without repetition. score: how
    sure the finding is, 0 to 1.
    """

    action: str
    category: str | None
    text: str
    kinds: tuple[str, ...] = ()
    score: float = 0.0

    @property
    def closed(self) -> bool:
        """Whether nothing of the text may pass."""
        return self.action in CLOSING


class Gate:
    """Asks a policy about what the patterns and the classifiers find. `heard` is told the side, the verdict and the
    text whenever it is not plainly allowed; of a stream whenever its verdict becomes stricter, with what was held."""

    def __init__(self, policy: Policy | None = None, unsafe: Unsafe | None = None, *, heard: Heard | None = None):
        """Raises InputError or DamagedError where the classifiers' weights are missing or not whole."""
        self.policy, self.heard = policy or Policy.default(), heard
        self._unsafe = unsafe or Unsafe.shipped()
        # The score from which on a category is anything to the policy, by side.
        self._least_K = {
            side: np.array([rules[category][0][0] if rules[category] else np.inf for category in UNSAFE])
            for side, rules in self.policy.rules.items()
        }

    def check(self, text: str, side: str) -> Verdict:
        """The verdict on a whole text on its side: "input", "page" or "output"."""
        text = clean(text)
        findings = found(text)
        for start, end in sentences(text, 0, len(text), self.policy.window, last=True):
            findings += self.unsafe(text, start, end, side)
        verdict = self.judge(text, self.asked(findings, side))
        if self.heard and verdict.category:
            self.heard(side, verdict, text)
        return verdict

    def stream(self, side: str = "output") -> GateStream:
        """A gate for a text that comes in pieces."""
        return GateStream(self, side)

    def asked(self, findings: Iterable[Finding], side: str) -> Asked:
        """What the policy asks for what was found, where it does not simply allow it."""
        asked = ((self.policy.action(side, each.category, each.score), each) for each in findings)
        return sorted((one for one in asked if one[0] != "allow"), key=_order)

    def judge(self, text: str, asked: Asked) -> Verdict:
        """The verdict on a clean text in which this was found."""
        if not asked:
            return Verdict("allow", None, text)
        action, first = max(asked, key=lambda one: strictness(one[0]))
        kinds = tuple(dict.fromkeys(each.kind for _, each in asked))
        if action in CLOSING:
            said = self.policy.words(action, first.category)
        else:
            said = _blacked_out(text, [each for action, each in asked if action == "redact"])
        return Verdict(action, first.category, said, kinds, first.score)

    def unsafe(self, text: str, start: int, end: int, side: str) -> list[Finding]:
        """What the classifiers say of one sentence of a clean text that is anything to the policy."""
        least_K = self._least_K[side]
        if least_K.min() > 1 or not tells(sentence := text[start:end]):
            return []
        scores_K = self._unsafe.scores(fold(sentence)[0])
        return [Finding(UNSAFE[index], UNSAFE[index], start, end, float(scores_K[index]))
                for index in np.flatnonzero(scores_K >= least_K)]  # fmt: skip


class GateStream:
    """Lets through of a growing text what no later piece can make refusable or redacted, sentence by sentence.

    All that is let through together is what `Gate.check` would give for the whole, unless it is refused: then nothing
    from the refused place on passes. `verdict` is the strictest so far, in the end that of the whole; of what is
    refused its text is what stands in its place.
    """

    def __init__(self, gate: Gate, side: str):
        self._gate, self._side = gate, side
        self._awaited = [name for name in CATEGORIES if gate.policy.rules[side][name]]
        self._pieces: list[str] = []  # come since it was last looked
        self._come, self._enough = 0, 2 * gate.policy.window  # letters of them; so many that there may be a sentence
        self._stopped = False  # whether the last piece may have ended one
        self._text = ""  # the last character that has passed, then what is held back
        self._passed = self._judged = 0  # places in it: up to here it has passed, and sentences are judged
        self._unsafe: list[Finding] = []  # what the classifiers found and has not passed
        self.verdict = Verdict("allow", None, "")
        self.refused = False

    @property
    def held(self) -> str:
        """What has come and not passed."""
        return self._text[self._passed :] + "".join(self._pieces)

    def push(self, piece: str) -> str:
        """What may pass now that `piece` has come."""
        if self.refused or not piece:
            return ""
        self._pieces.append(piece)
        self._come += len(piece)
        stopped, self._stopped = self._stopped, _STOPS.search(piece) is not None
        return self._look() if stopped or self._come >= self._enough else ""

    def finish(self) -> str:
        """What was still held back."""
        return "" if self.refused else self._look(last=True)

    def _look(self, *, last: bool = False) -> str:
        text = self._text = clean(self._text + "".join(self._pieces))
        self._pieces.clear()
        self._come = 0
        stable, judged = len(text) if last else settled(text), self._judged
        for start, end in sentences(text, self._judged, stable, self._gate.policy.window, last=last):
            self._unsafe += self._gate.unsafe(text, start, end, self._side)
            self._judged = end
        if self._judged == judged and not last:
            return ""  # no sentence has ended
        findings = found(text, self._passed) + self._unsafe
        until = len(text) if last else _whole(findings, min(self._judged, self._begun()), len(text))
        return self._let_through([each for each in findings if each.end <= until], until)

    def _begun(self) -> int:
        """From where on the held text may be the beginning of something."""
        plain, places = fold(self._text)
        if places is None:
            return under_way(plain, self._awaited, self._passed)
        begun = under_way(plain, self._awaited, bisect_left(places, self._passed))
        return places[begun] if begun < len(places) else len(self._text)

    def _let_through(self, findings: Sequence[Finding], until: int) -> str:
        if until <= self._passed:
            return ""
        asked, text, passed = self._gate.asked(findings, self._side), self._text, self._passed
        verdict = self._gate.judge(text[:until], asked)
        kinds = tuple(dict.fromkeys(self.verdict.kinds + verdict.kinds))
        stricter = strictness(verdict.action) > strictness(self.verdict.action)
        self.verdict = replace(verdict if stricter else self.verdict, kinds=kinds)
        if self._gate.heard and stricter:
            self._gate.heard(self._side, self.verdict, text[passed:until])
        self.refused = self.verdict.closed
        if self.refused:  # what comes before may still pass
            closing = next(each.start for action, each in asked if action in CLOSING)
            until = _whole(findings, closing)
            verdict = self._gate.judge(text[:until], [one for one in asked if one[1].end <= until])
        begin = max(until - 1, 0)
        self._text, self._passed, self._judged = text[begin:], until - begin, self._judged - begin
        self._unsafe = [replace(each, start=each.start - begin, end=each.end - begin)
                        for each in self._unsafe if each.end > until]  # fmt: skip
        return verdict.text[passed:]


def _order(one: tuple[str, Finding]) -> tuple[int, bool, int, str]:
    action, finding = one
    return finding.start, action != "help", finding.end, finding.kind


def strictness(action: str) -> int:
    """Higher for stricter actions; the same for all that let nothing pass."""
    return ACTIONS.index("refuse" if action in CLOSING else action)


def found(text: str, start: int = 0) -> list[Finding]:
    """What the patterns see in a clean text from `start` on, by its places in that text."""
    plain, places = fold(text)
    if places is None:
        return list(find(plain, start))
    return [
        Finding(finding.kind, finding.category, places[finding.start], places[finding.end - 1] + 1)
        for finding in find(plain, bisect_left(places, start))
    ]


def _whole(findings: Sequence[Finding], until: int, growing: int | None = None) -> int:
    """The last place up to `until` that is inside of no finding, nor after one that ends at `growing`."""
    for finding in sorted(findings, key=lambda finding: -finding.end):
        if finding.start < until and (until < finding.end or finding.end == growing):
            until = finding.start
    return until


def _blacked_out(text: str, findings: Iterable[Finding]) -> str:
    parts: list[str] = []
    place = 0
    for finding in sorted(findings, key=lambda finding: (finding.start, -finding.end)):
        if finding.start >= place:
            parts += [text[place : finding.start], BLACK.get(finding.category, REMOVED)]
        place = max(place, finding.end)
    return "".join([*parts, text[place:]])

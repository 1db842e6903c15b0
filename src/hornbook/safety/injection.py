"""Words meant to take over the model: orders to forget its orders in several languages, other selves without rules,
the markup of chats, and text that is encoded so that no filter reads it.

Kinds after OWASP's Top 10 for LLM Applications (LLM01, 2025) and the jailbreaks that Shen et al. 2023
(arXiv:2308.03825) and Liu et al. 2023 (arXiv:2305.13860) sort; the words are our own.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

from hornbook.safety.normalise import fold

GAP = r"[\s,;:\"'*~(-]{1,4}"
SPAN = 160  # characters: the most that any of the orders takes
_PLAIN_LETTERS = re.compile(r"[\x20-\x7e\s]*\Z")
_SEVERAL_WORDS = re.compile(r"[A-Za-z]{2,}(?:[\s,.]{1,2}[A-Za-z']+){2}")
Look = tuple[str, re.Pattern[str], Callable[[str], bool] | None, tuple[str, ...]]


def tells_words(encoded: str) -> bool:
    """Whether base64 or hexadecimal digits, of which some are numbers, stand for several words (RFC 4648)."""
    if encoded.isalpha():
        return False
    try:
        if re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", encoded):
            text = bytes.fromhex(encoded).decode("utf-8")
        else:
            whole = encoded.rstrip("=")[: len(encoded.rstrip("=")) // 4 * 4]
            text = base64.b64decode(whole, altchars=b"-_" if {"-", "_"} & set(encoded) else None).decode("utf-8")
    except ValueError:
        return False  # it stands for something else
    return bool(_PLAIN_LETTERS.match(text) and _SEVERAL_WORDS.search(text))


def _words(most: int) -> str:
    return rf"(?:{GAP}\w{{1,15}}){{0,{most}}}"


def _made(kind: str, look: str, needs: str, holds: Callable[[str], bool] | None = None) -> Look:
    plain, _ = fold(look)  # Cyrillic look-alikes are Latin in what it is sought in, too
    flags = re.IGNORECASE | re.ASCII if plain.isascii() else re.IGNORECASE
    return kind, re.compile(plain, flags), holds, tuple(fold(needs)[0].split())


_ORDERS = (
    r"(?:instructions?|rules?|prompts?|directions?|guidelines?|orders?|directives?|commands?|restrictions?|safeguards?"
    r"|programming|training|polic(?:y|ies)|filters?|limitations?)"
)
_EARLIER = (
    r"(?:previous|prior|above|earlier|preceding|former|system|your|existing|initial|original|ethical|safety|content"
    r"|moderation|openai'?s?)"
)
_SELF = (
    r"(?:(?:an?|the) )?(?:\w{1,15} ){0,2}(?:unrestricted|unfiltered|uncensored|jailbroken|amoral|unethical|unhinged"
    r"|rogue|lawless)"
)
_FREE = (
    r"(?:without|free (?:of|from)|no|not bound by|ignor(?:e|es|ing)|bypass(?:es|ing)?)"
    rf"{_words(3)} (?:rules|restrictions|filters?|limits|limitations|censorship|guidelines|ethics|morals|boundaries)\b"
)
_NOT = r"(?:does|do|is|are|need|must|should) ?(?:not|n't|n’t|never)"
_FIRST = "tell|give|do|does|is|are|need|must|should|you|stay|remain|role|no|regardless|even"  # of orders in two words
_FORGETS = {
    "de": (r"ignorier\w{0,3}|vergiss|vergesst|missachte\w{0,2}", r"vorherig\w{0,2}|bisherig\w{0,2}|obig\w{0,2}"
           r"|vorig\w{0,2}|früher\w{0,3}|vorangegangen\w{0,2}|deine\w?", r"anweisung\w{0,2}|regeln|vorgaben"
           r"|instruktionen|befehle", "ignorier vergiss vergesst missachte"),
    "fr": (r"ignore[rz]?|oublie[rz]?", r"précédente?s|antérieure?s|ci-dessus|tes|vos", r"instructions|consignes"
           r"|règles|directives", "ignore oublie"),
    "es": (r"ignor[ae]n?|olvid[ae]n?|olvídate|desobedece", r"anteriores|previas|tus", r"instrucciones|reglas|órdenes"
           r"|indicaciones", "ignor olvid olvíd desobedece"),
    "it": (r"ignora\w{0,2}|dimentica\w{0,2}", r"precedenti|tue", r"istruzioni|regole|direttive", "ignora dimentica"),
    "pt": (r"ignore[m]?|esqueça[m]?|desconsidere", r"anteriores|prévias|suas", r"instruções|regras|ordens",
           "ignore esqueça desconsidere"),
    "nl": (r"negeer|vergeet", r"vorige|eerdere|voorgaande|bovenstaande|je", r"instructies|regels|opdrachten",
           "negeer vergeet"),
    "pl": (r"z?ignoruj|zapomnij", r"poprzednie|wcześniejsze|powyższe|swoje", r"instrukcje|polecenia|zasady",
           "ignoruj zapomnij"),
    "ru": (r"(?:про)?игнорируй(?:те)?|забудь(?:те)?", r"предыдущие|прежние|прошлые|свои", r"инструкции|указания"
           r"|правила|команды", "игнорируй забудь"),
}  # fmt: skip


def _forgets(verbs: str, earlier: str, orders: str, needs: str) -> Look:
    either = f"(?:{earlier}){_words(1)}{GAP}(?:{orders})|(?:{orders}){_words(1)}{GAP}(?:{earlier})"
    return _made("order to forget", rf"\b(?:{verbs}){_words(3)}{GAP}(?:{either})\b", needs)


LOOKS: tuple[Look, ...] = (
    _made("order to forget", rf"\b(?:ignore|ignoring|disregard|forget|override|bypass){_words(3)}{GAP}{_EARLIER}{GAP}"
          rf"(?:\w{{1,12}}{GAP}){{0,2}}{_ORDERS}\b", "ignor disregard forget override bypass"),
    _made("order to forget", rf"\b(?:ignore|disregard|forget){GAP}(?:all|everything|anything|what(?:ever)?){_words(3)}"
          rf"{GAP}(?:above|before(?! (?:the|a|an|this|that|it)\b)|told|been told|said before)\b",
          "ignore disregard forget"),
    *(_forgets(*words) for words in _FORGETS.values()),
    _made("order to forget", r"(?:忽略|无视|無視|忘记|忘記)"
          r"(?:掉|你|您|所有|全部|一切|之前|以前|以上|先前|上面|前面|的|过|過){1,8}(?:指令|指示|说明|說明|规则|規則|提示|命令)",
          "忽略 无视 無視 忘记 忘記"),
    _made("order to forget", r"(?:以前|上記|これまで|前|今まで)の(?:すべての|全ての)?"
          r"(?:指示|命令|ルール|規則|プロンプト)(?:を|は|をすべて|を全て){0,2}(?:無視|忘れ)", "無視 忘れ"),
    _made("order to forget", r"(?:이전|위의|앞선|지금까지)의? ?(?:모든 ?)?"
          r"(?:지시|명령|규칙|지침)(?:사항)?(?:을|를|은|는)? ?(?:모두 |전부 )?(?:무시|잊)", "무시 잊"),
    _made("order to tell", rf"\b(?:reveal|print|repeat|show|output|leak|tell{GAP}me|give{GAP}me){_words(2)}{GAP}"
          rf"(?:your|the)(?:{GAP}\w{{1,12}})?{GAP}(?:system{GAP}prompt|hidden{GAP}(?:prompt|instructions)"
          rf"|(?:initial|original){GAP}(?:prompt|instructions)|system{GAP}message)\b", "prompt instruction message"),
    _made("other self", r"\byou are (?:now|no longer)\b[^.\n]{0,40}?\b(?:dan|unrestricted|unfiltered|uncensored"
          r"|jailbroken|bound by|without (?:any )?(?:rules|restrictions|filters))\b", "you are"),
    _made("other self", r"\b(?:pretend|act|roleplay|role-play|imagine|behave|respond|answer|simulate|play)\b"
          rf"[^.\n]{{0,40}}?\b(?:{_SELF}\b|{_FREE})", "pretend act role imagine behave respond answer simulate play"),
    _made("other self", rf"\byou (?:(?:now|will|do|have|are|must|can|should|operate|respond|answer)\b ?){{1,3}}"
          rf"(?:\w{{1,12}} ){{0,3}}{_FREE}", "you "),
    _made("other self", r"\byou (?:can ?not|can't|must never|must not|will never|are not allowed to|should never|never)"
          r" (?:refuse|decline|say no|reject|deny|break character|warn)\b",
          "refuse decline say reject deny break warn"),
    _made("other self", rf"\b{_NOT}(?: \w{{1,12}}){{0,3}} (?:bound|follow|obey"
          r"|care about|adhere to|abide by|limited by|restricted by|comply with|have)(?: \w{1,12}){0,4} (?:rules"
          r"|restrictions|guidelines|ethics|morals?|polic(?:y|ies)|filters?|limitations|principles|constraints)\b",
          "rules restrictions guidelines ethic moral polic filter limitations principles constraints"),
    _made("other self", r"\b(?:no matter how|regardless of(?: \w{1,12}){0,3}|even if(?: \w{1,12}){0,3})"
          r"(?: (?:the|how|it|they|is|are|its))? (?:illegal|unethical|immoral|harmful|offensive|dangerous|legality"
          r"|morality|ethics)\b", "illegal unethical immoral harmful offensive dangerous legality morality ethics"),
    _made("other self", r"\b(?:unfiltered|uncensored|amoral|unethical|jailbroken|unrestricted) "
          r"(?:\w{1,12} ){0,2}(?:response|answer|reply|mode|ai|assistant|chatbot|language model|bot|persona)s?\b",
          "unfiltered uncensored amoral unethical jailbroken unrestricted"),
    _made("other self", r"\b(?:stay|remain) in (?:character|the role)(?: \w{1,8}){0,2}"
          r" (?:no matter|at all times|always)",
          "character role"),
    _made("other self", r"\b(?:do anything now|developer mode (?:on|enabled|output)|jailbreak mode"
          r"|\[?jailbreak(?:ed)?\]|(?:dan|devmode|unfiltered|evil) mode|always intelligent and machiavellian)\b",
          "anything mode jailbreak machiavellian"),
    _made("chat markup", r"<\|[a-z0-9_ ]{1,32}\|>|\[/?INST\]|<</?SYS>>|</?(?:start_of_turn|end_of_turn|bos|eos|s)>"
          r"|</?(?:tool_call|tool_response|think)>", "|> inst] sys>> turn> bos> eos> s> tool_ think>"),
    _made("encoded text", r"(?<![\w+/=-])[A-Za-z0-9+/_-]{24,2000}={0,2}(?![\w+/=-])", "", tells_words),
)  # fmt: skip

_HEADS = fold(
    r"\b(?:ignor|disregard|forget|override|bypass|reveal|print|repeat|show|output|leak|tell me|give me|pretend"
    r"|act|role-?play|imagine|behave|respond|answer|simulate|play|stay|remain|do anything|developer|jailbreak|dan"
    r"|devmode|unfiltered|evil|always|no matter how|regardless of|even if|uncensored"
    r"|amoral|unethical|jailbroken|unrestricted"
    r"|you (?:now|will|do|have|are|must|can|should|never|operate|respond|answer)|"
    + f"{_NOT}|"
    + "|".join(verbs for verbs, *_ in _FORGETS.values())
    + r")|忽略|无视|無視|忘记|忘記|以前|上記|これまで|前の|今まで|이전|위의|앞선|지금까지"
)[0]
# Beginnings of words that are not Latin, and an order of which the end may yet come.
UNDER_WAY = re.compile(
    rf"(?:(?:{_HEADS})[\s\S]{{0,{SPAN}}}|\b(?:{_FIRST})(?:[\s'’]\w{{0,9}}){{0,2}}|[^\x00-\x7f]{{1,16}}"
    r"|[<\[][a-z0-9_ |/<>]{0,40})\Z",
    re.IGNORECASE,
)

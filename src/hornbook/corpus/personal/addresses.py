"""E-mail addresses, plain and disguised, told apart from what only has an @ in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LOCAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+-")  # what people do use of atext
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}(?:[^\W\d_]{2,24}|xn--[a-z0-9-]{2,59})(?![\w-])")
_DOT = r"(?:\.|\s?[(\[]\s?dot\s?[)\]]\s?|\sdot\s)"
_DISGUISED = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9][\w.+%-]{0,63}"
    rf"(?:\s?[(\[]\s?at\s?[)\]]\s?([A-Za-z0-9-]{{1,63}}(?:{_DOT}[A-Za-z0-9-]{{1,63}}){{1,4}})"
    r"|\sat\s([A-Za-z0-9-]{1,63}(?:\sdot\s[A-Za-z0-9-]{1,63}){1,4}))(?![\w-])",
    re.I,
)
# Besides those of two letters, the top-level domains that people write from, of the root zone's 1,400: then
# `unit@1.service`, `icon@2x.png` and `git@host.config` are no address.
TOP = """
    com org net edu gov mil int info biz name pro aero coop museum jobs mobi travel cat tel asia post arpa xyz online
    site website store shop blog app dev page club space tech live life world news email company today design cloud
    agency digital group solutions services network systems software academy school university college institute
    foundation center community social team people family house home land city town global international earth green
    eco bio health care clinic dental doctor hospital fit yoga law legal lawyer tax finance money bank capital fund
    consulting expert guru work works media press pub radio video photo photos photography gallery art studio film music
    band fun games game bet casino poker win vip one top best cool wtf lol ninja rocks link click hosting domains
    support help technology engineering science energy solar farm garden kitchen cafe bar restaurant pizza beer wine
    coffee tours holiday vacations hotel events party wedding church gmbh inc ltd llc limited ventures partners holdings
    management marketing sale deals market markets trade trading bargains cheap discount gold diamonds jewelry fashion
    clothing shoes style beauty salon hair london berlin hamburg koeln cologne bayern ruhr saarland wien tirol paris
    alsace bzh corsica barcelona madrid eus gal amsterdam frl brussels vlaanderen gent swiss zuerich nyc vegas miami
    boston tokyo osaka kyoto nagoya sydney melbourne istanbul moscow moskva scot wales irish africa capetown durban
    joburg quebec rio lat рф укр срб бел мкд бг ελ ею
"""
_TOP = frozenset(TOP.split())
_HINTS = ("at)", "at]", "at )", " dot ")
_RESERVED = re.compile(r"(?:^|\.)(?:example\.(?:com|net|org|edu)|example|test|invalid|localhost|local|localdomain)$")
_MESSAGE = re.compile(r"(?:message-id|in-reply-to|references|msgid|msg-id)\W{0,6}(?:\S+\s+){0,3}<?$", re.I)


def emails(text: str, low: str) -> Iterator[tuple[int, int]]:
    """Where e-mail addresses stand; disguised ones (`name (at) host.org`, `name at host dot org`) too. `low` is the
    text in small letters, ASCII, a character for a character."""
    at = text.find("@")
    while at >= 0:
        start = at
        while start and at - start < 64 and text[start - 1] in _LOCAL:
            start -= 1
        while start < at and not text[start].isalnum():
            start += 1
        host = _DOMAIN.match(text, at + 1)
        if host and start < at and text[at - 1] != "." and _is_mailbox(text, start, at, host):
            yield start, host.end()
        at = text.find("@", at + 1)
    if any(sign in low for sign in _HINTS):
        for found in _DISGUISED.finditer(text):
            host = re.sub(_DOT, ".", found[1] or found[2], flags=re.I).lower()
            if _is_top(host) and not _RESERVED.search(host):
                yield found.span()


def _is_mailbox(text: str, start: int, at: int, host: re.Match[str]) -> bool:
    name = host[0].lower()
    if not _is_top(name) or _RESERVED.search(name):
        return False
    if text[start - 1 : start] in ("$", "{", "}", "%", "\\") and start:  # a variable's name
        return False
    after = text[host.end() : host.end() + 2]
    if after[:1] == ":" and after[1:].strip() and not after[1:].isdigit():  # git@host.org:path, as scp writes it
        return False
    if after[:1] in ("(", "/", "\\"):  # a decorator's call, user@host/path
        return False
    line = text[max(text.rfind("\n", 0, start) + 1, start - 120) : start]
    word = line[max(map(line.rfind, " \t<\"'([")) + 1 :]
    return "://" not in word and not _MESSAGE.search(line)


def _is_top(host: str) -> bool:
    top = host.rpartition(".")[2]
    return (len(top) == 2 and top.isascii()) or top in _TOP or top.startswith("xn--")

"""Hosts and URLs nobody wants to read, as FineWeb begins with: the person's own lists, and words in addresses.

Lists are plain hosts, hosts(5) files, URL prefixes or UT1's folders (a category a folder, `domains` and `urls` in it),
gzipped or not. A host on a list speaks for all hosts under it.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hornbook.core.errors import DamagedError, InputError
from hornbook.corpus.store.urls import canonical_url, host_of

# Words of addresses, after FineWeb's URL filter (Penedo et al. 2024; Penedo et al. 2023, RefinedWeb, section G.1): one
# hard word refuses, or two different soft ones of a kind. They are whole words of host or path, or words in a row where
# they have a hyphen, so that Scunthorpe, Essex and analysis stay. Words for who people are (gay, girls, teens) are not
# among them, nor what manuals speak of (keygen, replica, slots, serial): two of those are no sign of anything.
HARD = {
    "adult": """
        porn porno pornos xxxx hentai milf milfs gangbang blowjob blowjobs cumshot cumshots handjob creampie bukkake
        camgirl camgirls camsex sexcam sexcams sextube fuck fucking cunt cunts deepthroat futanari xvideos xhamster
        redtube youporn shemale shemales sexchat live-sex free-sex sex-cam sex-cams sex-chat sex-tube adult-dating
        hot-babes nude-cams nude-babes escort-service
    """,
    "gambling": """
        onlinecasino casinobonus pokies togel sbobet sportsbook sportsbetting freespins online-casino casino-bonus
        casino-online free-spins online-betting online-slots online-poker slot-gacor sports-betting
    """,
    "malware": "warez crackz keygens serialz full-crack crack-download cracked-apk apk-mod mod-apk",
    "spam": """
        kamagra paydayloan paydayloans replicawatches cheapviagra buyviagra buyfollowers payday-loan payday-loans
        replica-watches buy-viagra cheap-viagra buy-cialis cheap-cialis buy-followers buy-likes buy-backlinks
        weight-loss-pills make-money-fast no-prescription get-rich-quick essay-writing-service
    """,
}
SOFT = {
    "adult": """
        xxx sex sexy nude nudes naked erotic erotica babes cams webcam escorts boobs tits pussy ass anal orgy dildo
        fetish bdsm horny hookup swinger swingers lingerie stripper nsfw pornography adult
    """,
    "gambling": """
        casino casinos jackpot jackpots betting bet bets poker bingo lotto roulette blackjack baccarat gambling wager
        spins
    """,
    "malware": "crack cracks cracked serials torrent torrents nulled cheats",
    "spam": "viagra cialis levitra pills pharmacy cheap payday loans replicas weightloss followers forex",
}
# These are part of no innocent word, and count inside others too ("sexcam" does not: Essex has a campus).
STRICT = {
    "adult": "pornhub pornstar xvideos xhamster blowjob gangbang cumshot freeporn porntube",
    "gambling": "onlinecasino casinobonus",
    "spam": "viagraonline paydayloan cheapviagra replicawatch",
}
TOPS = {"adult": "xxx porn sex adult sexy", "gambling": "casino bet poker bingo"}  # top-level domains

_WORD = re.compile(r"[a-z]+")
_HOST = re.compile(r"(?=.{4,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_-]{1,63})+")
_HOSTS_LINE = re.compile(r"(?:0\.0\.0\.0|127\.0\.0\.1|::1?|fe80::1%lo0)\s+([^#]+)")
_OWN_NAMES = frozenset({"localhost", "localhost.localdomain", "local", "broadcasthost", "0.0.0.0", "ip6-localhost"})


@dataclass
class Blocklist:
    """Lists in memory: `entries` has hosts and URL prefixes without scheme and "www.", each with its list's name.

    words: whether the words of addresses are looked at too. unread: how many lines of each list name no host or URL.
    """

    entries: dict[str, str] = field(default_factory=dict)
    words: bool = True
    unread: Counter[str] = field(default_factory=Counter)

    @classmethod
    def read(cls, paths: Iterable[Path], words: bool = True) -> Blocklist:
        """The lists of these files and folders. A list's name is its file's or, in UT1's manner, its folder's.

        Raises InputError for what is not there or is a folder without `domains` or `urls`, DamagedError for what cannot
        be unpacked.
        """
        blocklist = cls(words=words)
        for path in paths:
            for file, name in _files(Path(path)):
                for line in _lines(file):
                    blocklist._add(line, name)
        return blocklist

    def refusal(self, url: str) -> str | None:
        """Why this canonical URL (`urls.canonical_url`) is refused: the list and its entry; None where it is not."""
        host = host_of(url).removeprefix("www.")
        for suffix in _suffixes(host):
            if (name := self.entries.get(suffix)) is not None:
                return f"list {name}: {suffix}"
        parts = urlsplit(url)
        prefix = host
        for segment in parts.path.strip("/").split("/"):
            prefix += f"/{segment}"
            if (name := self.entries.get(prefix)) is not None:
                return f"list {name}: {prefix}"
        return refused_words(url) if self.words else None

    def _add(self, line: str, name: str) -> None:
        line = line.partition("#")[0].strip().lower()
        if not line or line.startswith("!"):
            return
        if found := _HOSTS_LINE.match(line):
            hosts = [host for host in found[1].split() if host not in _OWN_NAMES]
        else:
            hosts = [line]
        for host in hosts:
            if (entry := _entry(host)) is None:
                self.unread[name] += 1
            else:
                self.entries.setdefault(entry, name)


def refused_words(url: str) -> str | None:
    """The words for which a URL is refused, with their kind ("words, adult: nude babes"); None where there are none."""
    host, _, top = host_of(url).rpartition(".")
    if top in _TOPS:
        return f"words, {_TOPS[top]}: .{top}"
    for word, kind in _STRICT.items():
        if word in host:
            return f"words, {kind}: {word}"
    rows = [_WORD.findall(host), _WORD.findall(unquote(urlsplit(url).path).lower())]
    soft: dict[str, dict[str, None]] = {}
    for row in rows:
        for start, word in enumerate(row):
            for end in range(start + 1, min(start + LONGEST, len(row)) + 1):
                if (several := "-".join(row[start:end])) in _HARD:
                    return f"words, {_HARD[several]}: {several}"
            if word in _SOFT:
                soft.setdefault(_SOFT[word], {})[word] = None
    return next((f"words, {kind}: {' '.join(found)}" for kind, found in soft.items() if len(found) > 1), None)


def _kinds(table: dict[str, str]) -> dict[str, str]:
    return {word: kind for kind, words in table.items() for word in words.split()}


_HARD, _SOFT, _STRICT, _TOPS = map(_kinds, (HARD, SOFT, STRICT, TOPS))
LONGEST = max(word.count("-") + 1 for word in _HARD)


def _suffixes(host: str) -> Iterator[str]:
    """The host, and every host it is under, but for the last label."""
    while "." in host:
        yield host
        host = host.partition(".")[2]


def _entry(text: str) -> str | None:
    """A host or URL as `entries` has it; None where it is none, or a whole top-level domain."""
    text = text.removeprefix("*").lstrip(".")
    if not _HOST.fullmatch(text):
        url = canonical_url(text if "://" in text else f"http://{text}")
        if url is None or "." not in host_of(url):
            return None
        parts = urlsplit(url)
        text = (parts.hostname or "") + parts.path.rstrip("/")
    return text.removeprefix("www.")


def _files(path: Path) -> list[tuple[Path, str]]:
    if path.is_file():
        return [(path, path.name.removesuffix(".gz").removesuffix(".txt"))]
    found = [(file, path.name) for name in ("domains", "urls") for file in (path / name, path / f"{name}.gz")
             if file.is_file()]  # fmt: skip
    if not found:
        what = "this folder has neither `domains` nor `urls`" if path.is_dir() else "there is no such list"
        raise InputError(what, where=path, fix="name a file of hosts or URLs, or one category's folder of UT1's lists")
    return found


def _lines(file: Path) -> Iterator[str]:
    try:
        with gzip.open(file, "rb") if file.suffix == ".gz" else open(file, "rb") as lines:
            for line in lines:
                yield line.decode("utf-8", "replace")
    except (OSError, EOFError, zlib.error) as error:
        raise DamagedError(f"the list cannot be read ({error})", where=file, fix="fetch it again") from None

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from hornbook.core.errors import DamagedError, InputError
from hornbook.corpus.store.urls import canonical_url
from hornbook.corpus.tagging.blocklist import HARD, SOFT, STRICT, Blocklist, refused_words

# Names that naive filters have refused, and words that hold a bad one: towns, companies, plants, trades, programs.
INNOCENT = """
    scunthorpe.gov.uk essex.ac.uk sussex.ac.uk middlesex.gov essexcampus.ac.uk penistone.org lightwater.org.uk
    clitheroe.com cockermouth.org.uk cockburn.wa.gov.au hancock.com dickens.org moby-dick.org vandyke.com
    shitake-mushrooms.com shiitake.org analysis.com psychoanalysis.org analystforum.com canalboats.org banal.net
    classic.com classical.org assembly.org assessment.edu assets.com compass.org passport.gov glass.com grass.org
    massage-therapy.org bass-fishing.com therapist.org therapistfinder.com expertsexchange.com experts-exchange.com
    speedofart.com penisland.net whorepresents.com titanic.org titian.museum constitution.gov institution.edu
    competition.org button.com buttons.org circumstances.com document.org cucumber.io cumberland.edu cumbria.gov.uk
    accumulate.org scum-master.org scrum.org peacock.com cocktail.com cocktails.org cockpit.aero cockatoo.org.au
    shuttlecock.com weathercock.net babcock.com hitchcock.tv woodcock.com swallow.org swallows.net birds-tits.org.uk
    great-tit.org blue-tit.org.uk booby.org.ec pussycat.org pussywillow.com pussy-riot.org hooker-chemical.com
    hooker.org bishop-hooker.edu manhood.org grape.com grapes.org drape.com therapy.org rapeseed.com skyscraper.com
    scrape.dev parade.com sextant.org sextet.org sexton.com bissextile.fr unisex-salon.com asexuality.org
    homosexual-rights.org bisexual.org transgender.org lgbt-teens.org gay-lesbian-center.org girlscouts.org
    girlguiding.org.uk teenagers.org teens-library.org adult-education.org adult-literacy.org adulteducation.net
    youngadult.org sexual-health.nhs.uk sexualhealth.org sexeducation.org sex-ed.org unfpa.org breast-cancer.org
    breastfeeding.org mastectomy.org nakedscientists.com naked-mole-rat.org barenaked.ca stripped-down.dev
    strip-mining.org comicstrip.com las-vegas-strip.org stripe.com striped-bass.org camera.com cambridge.org
    webcamera.org cameroon.gov escort-vehicle.com fordescort.org escorting-vessels.org hotwire.com hotel.com
    hot-springs.org photos.org alphabet.com alphabets.org betty.com beta.org betatest.dev bethesda.org tibet.net
    sherbet.com elizabeth.org better.org pokerface-band.com slots.dev python-slots.org pcie-slots.com time-slots.org
    jackpotjunction.org lottery-mathematics.edu odds-ratio.org statistics-of-gambling.edu gamblers-anonymous.org
    problemgambling.org casinoroyale-film.com montecarlo-casino-history.org wagerlabs.com bingo-night-church.org
    roulette-curves.math.edu spinsters.org cracked-pepper.com crackers.com nutcracker.org crackle.com firecracker.org
    serial.com serialport.dev pyserial.org serializer.org torrential-rain.org torrent-river.es hackathon.org
    hackney.gov.uk hackerspace.org keyhole.com ssh-keygen.org keyboard.com cheat-sheets.dev cheatham.gov cheatsheet.org
    activator-protein.org nullable.dev replica-set.mongodb.org replicas.kubernetes.io replication.org pillsbury.com
    pillow.org caterpillar.com pillar.org pharmacy-school.edu pharmacyschool.edu loan-officer.gov student-loans.gov
    sloane.org loanwords.org paydays.org cheapside.org cheapflights.com discount-rate.org followers-of-christ.org
    likes.org forexample.org crypto-lib.dev cryptography.io cryptozoology.org cryptic.org earnest.org money-museum.org
    moneypenny.com viagrande.it specialist.com specialists.org socialism.org socialist.org cialispedia.edu
    free-software.org freecell.org prizewinning.org nobelprize.org enterprize.gov surprize.org xxxviii-legion.org
    superbowl-xxxiv.org maxxxine-film.com dildo-newfoundland.ca pornic.fr pornichet.fr spornosexual-study.edu
    arsenal.com arsenic.org assassin.org cassette.org embarrass.com harass.org potassium.org ambassador.gov amass.org
    trespass.org bypass.dev brass-band.org sassafras.com jurassic.com lasses.org
"""
PATHS = """
    /wiki/Middlesex /docs/slots.html /sql/crack-detection /ssh-keygen.1.html /howto/serial-hacks /reference/replica-sets
    /analysis/anal.c /library/random.html /adult-education/index.html /casino-royale-1953 /wiki/Viagra
    /tits-and-other-birds /poker-hands-in-prolog /sex-ratio-of-frogs /health/sexual-education-for-teens
    /essays/lgbt/gay-girls /xxx/placeholder.html /crackers/torrents.html
"""


@pytest.mark.parametrize("host", INNOCENT.split())
def test_innocent_hosts_stay(host: str) -> None:
    assert refused_words(f"http://www.{host}/about/us.html") is None


@pytest.mark.parametrize("path", PATHS.split())
def test_innocent_paths_stay(path: str) -> None:
    assert refused_words(f"https://docs.example.org{path}") is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://free-porn.example/", "words, adult: porn"),
        ("http://www.bestonlinecasino99.com/", "words, gambling: onlinecasino"),
        ("http://a.example/buy-cheap-viagra-now", "words, spam: cheap-viagra"),
        ("http://nude-and-naked.example/", "words, adult: nude naked"),
        ("http://a.example/poker/casino/", "words, gambling: poker casino"),
        ("http://downloads.example/warez/", "words, malware: warez"),
        ("http://fucking-austria.example/", "words, adult: fucking"),  # a known limit: a village called by the word
        ("http://something.xxx/", "words, adult: .xxx"),
        ("http://a.example/%70orn/1", "words, adult: porn"),
        ("http://a.example/free/weight-loss-pills.html", "words, spam: weight-loss-pills"),
    ],
)
def test_bad_words_are_named(url: str, said: str) -> None:
    assert refused_words(url) == said
    assert Blocklist().refusal(url) == said
    assert Blocklist(words=False).refusal(url) is None


def test_tables_are_of_words() -> None:
    for kind, words in (HARD | SOFT).items():
        assert kind in {"adult", "gambling", "malware", "spam"}
        assert all(word.replace("-", "").isalpha() for word in words.split())
    assert set(STRICT) <= {"adult", "gambling", "malware", "spam"}


def write_lists(folder: Path) -> list[Path]:
    (folder / "mine.txt").write_text("# a comment\nBad.Example.org\n*.wild.net\n.dot.net\n\n! note\nhttps://good.org/bad/part/\n"
                                     "münchen-böse.de\norg\nnot a host at all\n")  # fmt: skip
    with gzip.open(folder / "hosts.gz", "wt") as file:
        file.write("127.0.0.1 localhost\n0.0.0.0 ads.example.com tracker.example.com # two\n")
        file.write("::1 localhost\n0.0.0.0 0.0.0.0\n")
    category = folder / "malware"
    category.mkdir()
    (category / "domains").write_bytes(b"evil.ru\n66.102.7.5\n\xe9t\xe9.fr\n")
    (category / "urls").write_text("blog.org/~eve/kit\n")
    return [folder / "mine.txt", folder / "hosts.gz", category]


def test_lists_of_every_kind(tmp_path) -> None:
    blocklist = Blocklist.read(write_lists(tmp_path), words=False)
    for url, said in {
        "http://bad.example.org/": "list mine: bad.example.org",
        "http://www.very.bad.example.org/x": "list mine: bad.example.org",
        "http://a.wild.net/": "list mine: wild.net",
        "https://dot.net:8443/": "list mine: dot.net",
        "http://good.org/bad/part/of/it?x=1": "list mine: good.org/bad/part",
        "http://tracker.example.com/": "list hosts: tracker.example.com",
        "http://evil.ru/": "list malware: evil.ru",
        "http://66.102.7.5/": "list malware: 66.102.7.5",
        "http://blog.org/~eve/kit/1.exe": "list malware: blog.org/~eve/kit",
        "http://example.org/": None,
        "http://notbad.example.org/": None,
        "http://good.org/bad/parting": None,
        "http://blog.org/~eve/": None,
        "http://localhost/": None,
        "http://evil.ru.org/": None,
    }.items():
        assert blocklist.refusal(canonical_url(url) or "") == said, url
    assert blocklist.refusal(canonical_url("http://münchen-böse.de/") or "").startswith("list mine: xn--")
    assert blocklist.unread["mine"] == 2  # "org", "not a host at all"
    assert "localhost" not in blocklist.entries


def test_what_cannot_be_read_is_named(tmp_path) -> None:
    with pytest.raises(InputError, match="there is no such list"):
        Blocklist.read([tmp_path / "none.txt"])
    with pytest.raises(InputError, match="neither `domains` nor `urls`"):
        Blocklist.read([tmp_path])
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"bad.org\n" * 5000)[:-30])
    with pytest.raises(DamagedError, match="cannot be read"):
        Blocklist.read([tmp_path / "cut.gz"])
    (tmp_path / "not.gz").write_bytes(b"bad.org\n")
    with pytest.raises(DamagedError, match="cannot be read"):
        Blocklist.read([tmp_path / "not.gz"])

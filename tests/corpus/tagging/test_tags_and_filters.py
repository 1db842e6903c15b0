from __future__ import annotations

import socket

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import RecipeError
from hornbook.corpus.extraction.boilerplate import frequent_lines, line_keys, without_lines
from hornbook.corpus.extraction.plain import code_share, plain_text
from hornbook.corpus.tagging.filters import Threshold, thresholds, verdicts
from hornbook.corpus.tagging.language import identify
from hornbook.corpus.tagging.spam import spam_score
from hornbook.corpus.tagging.statistics import COLUMNS, statistics
from hornbook.corpus.tagging.tags import TAGS, tag

PROSE = (
    "The harbour of Mell was built by a mason who lived there with her sister. It has a long wall of grey stone, and "
    "in the winter the boats are drawn up behind it. Fish are sold on the quay each morning, and people come from the "
    "hills to buy them. Nobody remembers when the lamp was first lit, but it has burned ever since."
)
SPAM = "BUY NOW!!! Cheap pills and free spins at our online casino! Click here to claim your prize, act now! " * 4
GERMAN = (
    "Die Fischer der Insel fahren jeden Morgen hinaus, und abends verkaufen sie ihren Fang auf dem Markt. Im Winter "
    "liegen die Boote hinter der Mauer. Die Netze werden dann in den warmen Stuben geflickt, während draußen der Wind "
    "um die Häuser geht. Niemand weiß mehr, wann die Lampe zum ersten Mal brannte. Sie brennt noch immer."
)
LANGUAGES = {
    "en": PROSE,
    "de": "Die Fischer der Insel fahren jeden Morgen hinaus, und abends verkaufen sie ihren Fang auf dem Markt.",
    "fr": "Les pêcheurs de l'île partent chaque matin et vendent le soir leur poisson sur la place du marché.",
    "es": "Los pescadores de la isla salen cada mañana y por la tarde venden su pescado en la plaza del mercado.",
    "ru": "Рыбаки острова выходят в море каждое утро, а вечером продают свой улов на рынке.",
    "ja": "島の漁師たちは毎朝海へ出て、夕方には市場で魚を売ります。",
    "el": "Οι ψαράδες του νησιού βγαίνουν κάθε πρωί και το βράδυ πουλούν τα ψάρια τους στην αγορά.",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_languages(language: str) -> None:
    found, score = identify(LANGUAGES[language])
    assert found == language
    assert score > 0.5


@pytest.mark.parametrize(("language", "text"), [
    ("gl", "A mellor maneira de gardar os seus ficheiros é facelo cando ten tempo, e non o último día da semana."),
    ("pt", "A melhor maneira de guardar os seus arquivos é fazê-lo quando tem tempo, e não no último dia da semana."),
    ("hr", "Ako želite promijeniti postavke sustava, morate prije toga spremiti sve što je na računalu."),
    ("sr", "Ako želite da promenite podešavanja sistema, morate pre toga da sačuvate sve što je na računaru."),
    ("sr", "Ако желите да промените подешавања система, морате пре тога да сачувате све што је на рачунару."),
    ("mk", "Ако сакате да ги смените поставките на системот, мора претходно да зачувате сѐ што е на сметачот."),
    ("da", "Hvis du vil bruge noget af det, som andre har lavet, skal du også spørge dem efter nogle dage."),
    ("no", "Hvis du vil bruke noe av det som andre har laget, må du også spørre dem etter noen dager."),
    ("nn", "Om du vil bruke noko av det som andre har laga, må du òg spørje dei etter nokre dagar."),
    ("id", "Anda bisa menyimpan berkas itu karena layanan jaringan sudah berjalan ketika komputer dihidupkan."),
    ("ms", "Anda boleh menyimpan fail itu kerana perkhidmatan rangkaian sudah berjalan apabila komputer dihidupkan."),
    ("sl", "Če želite spremeniti nastavitve sistema, morate pred tem shraniti vse, kar je na računalniku."),
])  # fmt: skip
def test_languages_of_a_family(language: str, text: str) -> None:
    assert identify(text)[0] == language


def test_a_language_may_be_asked_for_by_its_other_name() -> None:
    table = pyarrow.Table.from_batches([tag(batch("Hvis du vil bruke noe av det som andre har laget, må du spørre."))])
    assert verdicts(table, (), frozenset({"nb"}), 0.3)[0] == [None]
    assert verdicts(table, (), frozenset({"da"}), 0.3)[0] == ["language"]


def test_language_of_what_has_none(monkeypatch) -> None:
    monkeypatch.setattr(socket, "socket", None)  # and the network is not asked
    assert identify("12 + 30 = 42") == ("und", 0.0)
    assert identify("") == ("und", 0.0)
    assert identify(f"\ud800 {PROSE}\0")[0] == "en"
    assert identify(f"{PROSE}\n```\nfor (int i = 0; i < n; i++) {{ x[i] = 0; }}\n```")[0] == "en"


def test_statistics_by_hand() -> None:
    text = "Head line\n\none two three. one two three.\n\n- item one\n- item one"
    found = statistics(text)
    assert found["words"] == 12  # of 16: full stops and list marks are none
    assert found["mean_word_length"] == len("Headlineonetwothreeonetwothreeitemoneitemone") / 12
    assert found["alphabetic_word_share"] == 12 / 16
    assert found["bullet_line_share"] == 2 / 6
    assert found["duplicate_line_share"] == 0.25
    assert found["duplicate_line_characters"] == len("- item one") / len(text)
    assert found["top_3gram"] == 2 * len("one two three") / len(text)
    assert found["line_end_share"] == 0.25
    assert found["short_line_share"] == 1.0
    assert found["newline_ratio"] == 5 / 16
    assert found["sentences"] == 4
    assert found["clean_newline_ratio"] == 2 / 14  # C4 takes the line of two words out


def test_markdown_is_counted_as_plain_text() -> None:
    markdown = "## Head `one`\n\n> Said so.\n\n| a | b |\n|---|---|\n| 1 \\| 2 | |\n\n```c\n# x[`a`] | y\n```\n- item"
    assert plain_text(markdown) == "Head one\n\nSaid so.\n\na b\n1 | 2\n\n# x[`a`] | y\n- item"
    assert code_share(markdown) == len("```c\n# x[`a`] | y\n```") / len(markdown)
    assert plain_text(PROSE) == PROSE
    assert code_share(PROSE) == 0


def test_spam() -> None:
    assert spam_score(SPAM) > 0.9
    assert spam_score(PROSE) < 0.1
    assert spam_score("The casino of the island is a small house where old men play poker for shells.") < 0.5
    assert spam_score("") < 0.1


def batch(*texts: str) -> pyarrow.RecordBatch:
    return pyarrow.RecordBatch.from_pydict({"text": list(texts), "link_share": [0.0] * len(texts)})


def test_a_tagger_only_adds_columns() -> None:
    before = batch(PROSE, SPAM, "")
    after = tag(before)
    assert after.select(before.schema.names) == before
    assert set(TAGS) <= set(after.schema.names)
    assert after.column("form").to_pylist()[0] > after.column("form").to_pylist()[1]


@settings(max_examples=40)
@given(st.text(max_size=300))
def test_every_figure_of_any_text_is_finite(text: str) -> None:
    found = statistics(text)
    assert set(found) == set(COLUMNS)
    assert all(0 <= value < 1e6 for value in found.values())
    assert 0 <= spam_score(text) <= 1


def judged(preset: str, *texts: str) -> list[str | None]:
    table = pyarrow.Table.from_batches([tag(batch(*texts))])
    return verdicts(table, thresholds(preset), frozenset({"en"}), 0.4)[0]


@pytest.mark.parametrize("preset", ["docs", "language"])
def test_presets(preset: str) -> None:
    foreign = " ".join(LANGUAGES[language] for language in ("de", "fr", "es"))
    reasons = judged(preset, PROSE, SPAM, "Too short.", foreign, "Ã¤Ã¶Ã¼ " + PROSE[:100].replace("e", "Ã©"))
    assert reasons[0] is None
    assert reasons[1] == "spam"
    assert reasons[2] == "thin"
    assert reasons[3] == "language"
    assert reasons[4] == "garbled"


def test_the_web_as_fineweb_filters_it() -> None:
    page = f"{PROSE} Who lit it first?"
    code = page.replace("Fish", "{Fish}")
    reasons = judged("web", page, PROSE, SPAM, " ".join(PROSE.split()[:40]), code, GERMAN)
    assert reasons == [None, "few sentences", "repeated 5-grams", "thin", "curly bracket", "language"]


def test_code_and_lists_are_no_faults_of_a_manual() -> None:
    options = "".join(f"- `--option-{n}`\n" for n in range(40))
    manual = f"# Options\n\n{PROSE}\n\n{options}```c\nint x[] = {{{{{{1}}}}}};\n```"
    assert judged("docs", manual) == [None]
    assert judged("web", manual) != [None]


def test_a_threshold_of_the_recipe_wins() -> None:
    changed = thresholds("docs", {"words": (5, None), "quality": (0.9, None), "spam": (None, None)})
    assert Threshold("thin", "words", low=5) in changed
    assert Threshold("quality", "quality", low=0.9) in changed
    assert all(rule.column != "spam" for rule in changed)
    with pytest.raises(RecipeError, match=r"no column 'wrods'.*words"):
        thresholds("docs", {"wrods": (1, 2)})


def test_lines_of_the_whole_site_go_and_the_rest_stays() -> None:
    from collections import Counter

    motto = "Small. Fast. Reliable."
    pages = [f"# Page {n}\n\n{motto}\n\nText number {n}.\n\n```\n{motto}\n```" for n in range(10)]
    counts: Counter[str] = Counter()
    for page in pages:
        counts.update(line_keys(page))
    frequent = frequent_lines(counts, len(pages))
    assert without_lines(pages[3], frequent) == "# Page 3\n\nText number 3.\n\n```\nSmall. Fast. Reliable.\n```"
    assert frequent_lines(counts, 3) == frozenset()

"""Languages that a model of letters takes for one another, told apart by their own common words and letters.

fastText's lid.176 is a model of character n-grams: sure of families, unsure within them. For each family there are the
common words of its languages (shared ones weigh nothing, since they speak for all alike), endings and stems where the
standard languages differ by rule, or letters that only one alphabet has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

SURE = 0.95  # from this probability on the model is believed
TELLING = 3.0  # how many times likelier a language is for every word of its own
LEAST = 5e-3  # the probability of a language the model did not think of
MAX_CHARACTERS = 4000

_MODAL = r"(?:mo[gžr]|treba|žel|hoć|hte|ne(?:mo|će))\w*"
_SOUTH_SLAVIC = "i je u za na se da koji koja koje ili su ne iz po od do ako što nije sve kako bi kroz samo uz li ovo "
_IJEKAVIAN = r"""prije uvijek gdje ovdje dio uvijek dvije vrijeme također poslije cijel\w+ riječ\w* umjesto sljede\w+
    \w*[bmptv]je[bcčdgmnrstvz]\w+ \w+ije[bcčdklnrstvz]\w+ """
_CROATIAN = r"""te s računal\w+ sustav\w* zaslon\w* općenit\w+ opć\w+ točk\w+ tijekom tko uvjet\w* europ\w+ tisuć\w+
    tvrtk\w+ glazb\w+ obitelj\w* povijes\w+ znanstven\w+ sveučiliš\w+ tjed\w+ sigurnos\w+ poslužitelj\w* tipk\w+
    popis\w* pisač\w* sučelj\w* vlastit\w+ odab[ie]r\w* korišten\w+ \w+ira(?:n?|ju|nj[eau]) """
_SERBIAN = r"""sa ko šta tokom pre uvek gde ovde deo dve vreme takođe posle cel\w+ reč\w* umesto slede\w+ računar\w*
    sistem\w* ekran\w* opšt\w+ tačk\w+ uslov\w* evrop\w+ hiljad\w+ muzik\w+ porodic\w+ istorij\w+ naučn\w+
    univerzitet\w* nedelj\w+ bezbed\w+ taster\w* spisk\w+ štampač\w* sopstven\w+ korišćen\w+ mest\w+ primer\w*
    promen\w+ vredn\w+ \w*mer[aei]\w* (?<=\sda\s)\w{4,}(?:te|mo|[aei]) """
_BOSNIAN = r"sa ko šta tokom historij\w+ sistem\w* opć\w+ hiljad\w+ tačk\w+ evrop\w+ lahk\w+ "
FAMILIES: tuple[dict[str, str], ...] = (
    {
        "es": """el la los las de del que y en un una unos unas por con para es se no su sus al lo como más o pero ya
            este esta esto entre cuando muy sin sobre también hasta hay donde puede tiene todo si son ser desde otro
            otra dos mismo misma ahora así usted \\w*ñ\\w* \\w+ción \\w+ciones \\w*j\\w* \\w+ible""",
        "pt": """o a os as de do da dos das que e em um uma uns umas por com para é se não seu sua seus suas ao aos à às
            como mais ou mas já este esta isto entre quando muito sem sobre também até há onde pode tem tudo todo pelo
            pela no na nos nas são ser desde outro outra dois mesmo mesma agora assim você num numa
            \\w*[çãõ]\\w* \\w*[nl]h\\w* \\w*j\\w* \\w+ível \\w+ssa\\w*""",
        "gl": """o a os as de do da dos das que e en un unha uns unhas por con para é se non seu súa seus súas ao aos á
            ás como máis ou pero mais xa este esta isto entre cando moi sen sobre tamén ata hai onde pode ten todo polo
            pola no na nos nas son ser desde outro outra dous mesmo mesma agora así vostede nun nunha dun dunha co coa
            cos coas \\w*ñ\\w* \\w+ción \\w+cións \\w*x[aeiou]\\w* \\w+[íi]bel""",
    },
    {
        "da": """og i at det som på de af for ikke en et er til med den har kan vil hvis eller bliver blive også efter
            fra når du din dit dine skal hvor hvordan mere meget noget nogle kun sig deres jeg mig ud op om men ved
            under mellem fordi hvilken hvilket""",
        "no": """og i å det som på de av for ikke en et er til med den har kan vil hvis eller blir bli også etter fra
            når du din ditt dine skal hvor hvordan mer mye noe noen bare seg deres jeg meg ut opp om men ved under
            mellom fordi hvilken hvilket""",
        "nn": """og i å det som på dei av for ikkje ein ei eit er til med den har kan vil om eller blir bli også òg
            etter frå når du din ditt dine skal kvar korleis meir mykje noko nokre berre seg deira eg meg ut opp men
            ved under mellom fordi kva""",
    },
    {
        "id": """dan yang di untuk dengan pada dari ini itu tidak dapat adalah akan karena bahwa bisa atau juga lebih
            jika saat oleh ke dalam sebagai berkas hanya setelah telah tersebut seperti anda merupakan sebuah kalau
            sudah belum harus serta baru situs sekitar agar ketika
            saja layanan jaringan perangkat tautan memulai sedangkan silakan""",
        "ms": """dan yang di untuk dengan pada dari ini itu tidak dapat adalah akan kerana bahawa boleh atau juga lebih
            jika semasa oleh ke dalam sebagai fail hanya selepas telah tersebut seperti anda merupakan sebuah kalau
            sudah belum mesti serta baharu laman apabila sahaja perkhidmatan rangkaian perisian pautan manakala iaitu
            sila ianya pelbagai""",
    },
    {
        "hr": rf"{_MODAL}(?=\s\w+[aeiu]ti\b) " + _SOUTH_SLAVIC + _IJEKAVIAN + _CROATIAN,
        "bs": _SOUTH_SLAVIC + _IJEKAVIAN + _BOSNIAN,
        "sr": rf"{_MODAL}(?=\sda\s) " + _SOUTH_SLAVIC + _SERBIAN,
        "sl": """in je v za na se da ki ali kot lahko so ne iz s z po od do če kaj kdo kje pred vedno tudi med ni tukaj
            del čas vse kako bi skozi samo ob bo bi pri nad pod ter saj več vaš vašo vašega""",
        "sh": "",
    },
    {
        "sr": """и у на са не да за се од је су као или ако који која које што шта то како може можете ваш ваше вашег
            бисте сте по из при би није због све [а-ш]{3,}(?:ог|ом|има|ама)
            [а-шјљњџ]*[ђћ][а-шђћјљњџ]* [а-ш]*[јљњџ][а-шјљњџ]*""",
        "mk": """и во на со не да за се од е се како или ако кој која кое што тоа може можете ваш вашиот ќе го ги ја по
            при сте би поради сите [а-ш]{3,}(?:от|ата|ите|ото) [а-шјљњџ]*[ѓќѕ][а-шѓќѕјљњџ]* [а-ш]*[јљњџ][а-шјљњџ]*""",
        "ru": "и в на с не что для за от к как или если который это может вы ваш по из при [а-я]*[ыэёйщъ][а-яё]*",
        "bg": """и в на с не да за се от е са като или ако който която което че това как може вие ваш по из при би
            [а-я]{3,}(?:ът|ят|ата|ите|ото) [а-я]*[йщъ][а-я]*""",
        "uk": "і в у на з не що для за від як або якщо який це може ви ваш по із при [а-я]*[іїєґй][а-яіїєґ]*",
        "be": "і ў у на з не што для за ад як або калі які гэта можа вы ваш па пры [а-я]*[ўіыэй][а-яўі]*",
    },
)  # fmt: skip


def told_apart(text: str, likely: Mapping[str, float]) -> tuple[str, float]:
    """The language of `text` and its probability, from the model's probabilities of the likeliest ones, best first.

    Where the best is of a family and not sure, each member's probability is multiplied by `TELLING` for every word of
    its own; what the family has together stays.
    """
    best = max(likely, key=lambda code: likely[code])
    family = next((family for family in FAMILIES if best in family), None)
    if family is None or likely[best] >= SURE:
        return best, likely[best]
    lowered = text[:MAX_CHARACTERS].lower()
    own = {code: len(pattern.findall(lowered)) for code, pattern in _patterns(FAMILIES.index(family)).items()}
    most = max(own.values())
    weights = {code: likely.get(code, LEAST) * TELLING ** (count - most) for code, count in own.items()}
    best = max(weights, key=lambda code: weights[code])
    together = sum(likely.get(code, 0.0) for code in family)
    return best, together * weights[best] / sum(weights.values())


@cache
def _patterns(family: int) -> dict[str, re.Pattern[str]]:
    """By language, what finds its words; a language without any (Serbo-Croatian) is never the answer."""
    return {
        code: re.compile(rf"(?<!\w)(?:{'|'.join(words.split())})(?!\w)")
        for code, words in FAMILIES[family].items() if words
    }  # fmt: skip

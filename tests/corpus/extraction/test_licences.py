from __future__ import annotations

import pytest

from hornbook.corpus.extraction.extract import extract
from hornbook.corpus.extraction.licences import spdx


@pytest.mark.parametrize(
    ("stated", "identifier"),
    [
        ("https://creativecommons.org/licenses/by/4.0/", "CC-BY-4.0"),
        ("http://creativecommons.org/licenses/by-nc-sa/3.0/deed.en", "CC-BY-NC-SA-3.0"),
        ("http://creativecommons.org/licenses/by-sa/3.0/de/", "CC-BY-SA-3.0-DE"),
        ("https://creativecommons.org/licenses/by-sa/3.0/xx/", None),  # SPDX has no such version
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("Creative Commons Attribution-ShareAlike 4.0 International License", "CC-BY-SA-4.0"),
        ("Creative Commons Attribution-NonCommercial-NoDerivs 3.0 Unported", "CC-BY-NC-ND-3.0"),
        ("CC BY-SA 4.0", "CC-BY-SA-4.0"),
        ("GNU Free Documentation License, Version 1.2 or any later version", "GFDL-1.2-or-later"),
        ("https://www.gnu.org/licenses/fdl-1.3.html", "GFDL-1.3-only"),
        ("https://www.gnu.org/licenses/gpl-3.0.txt", "GPL-3.0-only"),
        ("GNU General Public License version 2", "GPL-2.0-only"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("https://www.apache.org/licenses/LICENSE-2.0", "Apache-2.0"),
        ("https://opensource.org/licenses/MIT", "MIT"),
        ("https://spdx.org/licenses/BSD-3-Clause.html", "BSD-3-Clause"),
        ("the MIT License", "MIT"),
        ("All rights reserved.", None),
        ("the permit office", None),
    ],
)
def test_names_and_addresses(stated: str, identifier: str | None) -> None:
    assert spdx(stated) == identifier


@pytest.mark.parametrize(
    ("page", "licence"),
    [
        ('<p>Text.</p><a rel="license" href="https://creativecommons.org/licenses/by/4.0/">CC</a>', "CC-BY-4.0"),
        ('<p>Text.</p><a rel="license" href="/terms">Terms</a>', "http://a.org/terms"),
        ('<p>Text.</p><a href="http://www.gnu.org/copyleft/fdl.html">FDL</a>', "gnu.org/copyleft/fdl.html"),
        ('<script type="application/ld+json">{"@graph": [{"license": {"@id": "https://creativecommons.org/licenses/by/4.0/"}}]}'
         "</script><p>Text.</p>", "CC-BY-4.0"),
        ('<script type="application/ld+json">{"license": nonsense</script><p>Text.</p>', None),
        ('<meta name="DC.rights" content="CC BY-NC 4.0"><p>Text.</p>', "CC-BY-NC-4.0"),
        ('<meta name="DCTERMS.license" content="https://opensource.org/licenses/MIT"><p>Text.</p>', "MIT"),
        ("<p>Text.</p><footer>© 2024 Us. Content licensed under CC BY-SA 4.0.</footer>", "CC-BY-SA-4.0"),
        ("<p>Text.</p><div class='copyright'>Released into the public domain.</div>", "LicenseRef-public-domain"),
        ("<p>Text.</p><hr>Copyright 2001-2024. This page is licensed under the Python Software Foundation License "
         "Version 2.", "PSF-2.0"),
        ("<p>We compare the MIT License with the Apache License.</p>" + "<p>Word.</p>" * 50, None),
        ("<p>Text.</p><footer>© 2024 Us. All rights reserved.</footer>", None),
    ],
)  # fmt: skip
def test_what_a_page_says_of_itself(page: str, licence: str | None) -> None:
    assert extract(f"<html><body>{page}</body></html>".encode(), "text/html", "http://a.org/x").license == licence

from __future__ import annotations

import time

import pytest

from hornbook.corpus.extraction.extract import extract

pytest.importorskip("docutils")
PAGE = """\
:mod:`shlex` --- Lexing
=======================

.. module:: shlex
   :synopsis: Simple lexical analysis

See :func:`~os.path.join`, :pep:`8`, `a page <http://a.org>`_ and ``x_1 * y``.\\ [#n]_

Kinds
-----

- one
- two

  #. inner
  #. more

.. function:: split(s, *, posix=True)
              split(s)

   Split *s*.

   .. versionadded:: 3.5
      Only there.

.. code-block:: python
   :emphasize-lines: 1

   def f(x):
       return x  # 1

>>> f(1)
1

.. note::

   Mind |this|.

.. list-table:: Prices
   :header-rows: 1

   * - rope
     - price
   * - hemp
     - 7 | 8

Term
   What it means.

.. |this| replace:: the gap
.. image:: a.png
.. toctree::

   other
.. [#n] A footnote.
"""
MARKDOWN = """\
# `shlex` --- Lexing

See `join()`, PEP 8, a page and `x_1 * y`.

## Kinds

- one
- two
  1. inner
  2. more

### split(s, *, posix=True)

### split(s)

Split s.

New in version 3.5: Only there.

```python
def f(x):
    return x  # 1
```

```pycon
>>> f(1)
1
```

Note

Mind the gap.

Prices

| rope | price |
|---|---|
| hemp | 7 \\| 8 |

### Term

What it means.

A footnote."""


def test_structure_survives_and_sphinx_is_understood() -> None:
    found = extract(PAGE.encode(), "text/x-rst")
    assert (found.title, found.fault) == ("`shlex` --- Lexing", None)
    assert found.text == MARKDOWN


def test_nothing_is_read_but_the_text(tmp_path) -> None:
    (tmp_path / "secret.txt").write_text("the secret")
    page = "".join(
        f"\n.. {directive}:: {argument}\n\n" for directive, argument in (
            ("include", f"{tmp_path}/secret.txt"), ("literalinclude", f"{tmp_path}/secret.txt"),
            ("raw", f"html\n   :file: {tmp_path}/secret.txt"), ("csv-table", f"x\n   :file: {tmp_path}/secret.txt"),
        )
    ) + "\n.. raw:: html\n\n   <script>alert(1)</script>\n\nWords.\n"  # fmt: skip
    text = extract(page.encode(), "text/x-rst").text
    assert "the secret" not in text
    assert "script" not in text
    assert "Words." in text


def test_a_page_leaves_nothing_behind_for_the_next() -> None:
    first = b".. role:: loud\n.. default-role:: loud\n\n:loud:`x` `y`\n\n.. |v| replace:: w\n"
    alone = extract(b":loud:`x` `y` |v|\n", "text/x-rst").text
    extract(first, "text/x-rst")
    assert extract(b":loud:`x` `y` |v|\n", "text/x-rst").text == alone


@pytest.mark.parametrize(
    "page",
    [
        "=" * 50_000,
        "*" * 9_000 + "`" * 9_000,
        "\n".join("x" * length for length in range(1, 400)),
        "\n".join("  " * depth + "- x" for depth in range(300)),
        "\n".join(f".. |a{n}| replace:: {f'|a{n - 1}| ' * 10}" for n in range(1, 12)) + "\n\n|a11|",
        ".. table::\n\n   " + "+-" * 2_000,
        "a\n=\n" * 20_000,
    ],
)
def test_hard_pages_end_within_the_budget(page: str) -> None:
    started = time.process_time()
    found = extract(page.encode(), "text/x-rst", cpu_seconds=1.0)
    assert time.process_time() - started < 10
    found.text.encode("utf-8")

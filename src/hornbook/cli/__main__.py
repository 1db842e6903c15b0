"""`python -m hornbook.cli`."""

from hornbook.cli import main

main()

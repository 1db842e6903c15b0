"""The command line. `main` turns an error that teaches into its one line and its exit status."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command in sys.argv. Leaves with 0, the error's own status, or 130 after Ctrl-C."""
    from hornbook.cli.main import app
    from hornbook.core.errors import HornbookError

    try:
        app(prog_name="hornbook")
    except HornbookError as error:
        print(f"hornbook: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # `hornbook list | head`
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()

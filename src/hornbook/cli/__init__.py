"""The command line. `main` turns an error that teaches into its one line and its exit status."""

from __future__ import annotations

import errno
import sys


def main() -> None:
    """Run the command in sys.argv. Leaves with 0, the error's own status, or 130 after Ctrl-C."""
    from hornbook.cli.main import app
    from hornbook.core.errors import HornbookError, InputError

    try:
        app(prog_name="hornbook")
    except HornbookError as error:
        print(f"hornbook: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # `hornbook list | head`
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        print("hornbook: no file can have so long a name", file=sys.stderr)
        sys.exit(InputError.exit_code)


if __name__ == "__main__":
    main()

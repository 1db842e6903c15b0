"""The command line. `main` turns an error that teaches into its one line and its exit status."""

from __future__ import annotations

import errno
import sys


def main() -> None:
    """Run the command in sys.argv. Leaves with 0, the error's own status, or 130 after Ctrl-C."""
    import typer

    from hornbook.cli.commands import COMMANDS, STEPS, app
    from hornbook.core.errors import HornbookError, InputError, RecipeError

    try:
        sys.exit(app(prog_name="hornbook", standalone_mode=False))
    except typer.TyperException as error:  # of an option or a word that cannot be; typer would draw a box around it
        words = ["hornbook", *(word for word in sys.argv[1:2] if word in COMMANDS | STEPS), "--help"]
        what = " ".join(error.format_message().replace("Value error, ", "").split()).rstrip(".")
        if what:  # without a single word the help was shown already
            print(f"hornbook: {what[:1].lower()}{what[1:]}; see: {' '.join(words)}", file=sys.stderr)
        sys.exit(RecipeError.exit_code)
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

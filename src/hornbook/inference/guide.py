"""What may come next in one answer, as whoever guides it says token by token."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Guide(Protocol):
    """Asked by the engine before every token, told of every token; one answer has one guide."""

    def allowed(self) -> np.ndarray | None:
        """int32 words: bit t of word t // 32 is set where token t may come; None where any may. What lies beyond the
        last word may not."""
        ...

    def advance(self, token: int) -> None:
        """The token that was chosen."""
        ...

    @property
    def done(self) -> bool:
        """Whether nothing more may come: the answer ends here, with the reason "stop"."""
        ...

"""The gate: what may go to the model and what may come from it, by a policy a person can read."""

from hornbook.safety.gate import Gate, GateStream, Verdict
from hornbook.safety.policy import DEFAULT, Policy

__all__ = ["DEFAULT", "Gate", "GateStream", "Policy", "Verdict"]

from __future__ import annotations

import re

import pytest

from hornbook.core.errors import RecipeError
from hornbook.safety import DEFAULT, Policy

EARLIER = """
message = "No."
[input]
personal = "allow"
secret = "refuse"
injection = "flag"
[page]
personal = "redact"
secret = "redact"
injection = "redact"
[output]
personal = "redact"
secret = "redact"
injection = "flag"
"""  # as `hornbook deploy` wrote it before there were classifiers


BARE = re.sub("(?m)^#.*\n", "", DEFAULT)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BARE.replace('"redact"', '"burn"', 1), "unknown action 'burn'; use one of allow, flag, redact, refuse, help"),
        (BARE.replace("[page]", "[pages]"), "unknown key 'pages'"),
        (BARE.replace('secret = "redact"', "", 1), r"\[input\]: secret is missing"),
        (BARE.replace("message = ", "message : "), "not TOML"),
        (BARE.replace('"I can\'t help with that."', '""'), "message: must be a text"),
        (BARE.replace("window = 24", "window = 2"), "window: must be a whole number; take 4 to 200 words"),
        (BARE.replace("window = 24", "window = true"), "window: must be a whole number"),
        (BARE.replace("window = 24", ""), "window is missing"),
        (BARE.replace("refuse = 0.7", "refuse = 8", 1), "input.violence: refuse is no score; give a number above 0"),
        (BARE.replace("refuse = 0.7", "refuse = 0.4", 1), "input.violence: these scores do not rise"),
        (BARE.replace("flag = 0.5, refuse = 0.7", "allow = 0.5", 1), "input.violence: these scores do not rise"),
        (BARE.replace("{ flag = 0.5, refuse = 0.7 }", "{}", 1), "input.violence: these scores do not rise"),
        (BARE.replace('personal = "allow"', "personal = { flag = 0.5 }"), "input.personal: unknown action {'flag'"),
        (BARE.replace("refuse = 0.7", "help = 0.7", 1), r"\[help\]: violence is missing"),
        (re.sub('self-harm = "It .*"', 'self-harm = ""', BARE), "help.self-harm: must be a text"),
        (BARE.replace("[help]", '[help]\nx = "y"'), r"\[help\]: unknown key 'x'; name a category"),
        (BARE.replace("[help]", "[[help]]"), "help: must be a table"),
        (EARLIER + 'crime = "allow"', r"window is missing"),
        (EARLIER.replace('message = "No."', ""), "message is missing"),
    ],
)
def test_a_bad_policy_is_named(text, says, tmp_path):
    (tmp_path / "policy.toml").write_text(text)
    with pytest.raises(RecipeError, match=says) as error:
        Policy.read(tmp_path / "policy.toml")
    assert "\n" not in str(error.value)


def test_a_policy_that_is_not_there(tmp_path):
    with pytest.raises(RecipeError, match="there is no policy here"):
        Policy.read(tmp_path / "policy.toml")


def test_a_policy_of_before_the_classifiers_gets_the_default_for_these():
    earlier, default = Policy.parse(EARLIER), Policy.default()
    assert (earlier.message, earlier.action("input", "secret")) == ("No.", "refuse")
    assert earlier.rules["output"]["dangerous"] == default.rules["output"]["dangerous"]
    assert (earlier.help, earlier.window) == (default.help, default.window)


def test_scores_choose_the_action():
    policy = Policy.parse(BARE.replace("crime = { flag = 0.5, refuse = 0.7 }", 'crime = "redact"', 1))
    taken = [policy.action("input", "self-harm", score) for score in (0.49, 0.5, 0.69, 0.7)]
    assert taken == ["allow", "flag", "flag", "help"]
    assert [policy.action("input", "crime", score) for score in (0.49, 0.5)] == ["allow", "redact"]
    assert policy.action("page", "hate") == "allow"
    assert policy.words("help", "self-harm") == policy.help["self-harm"]
    assert policy.words("refuse", "self-harm") == policy.message

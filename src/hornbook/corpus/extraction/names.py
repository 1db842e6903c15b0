"""What the web's class names and ids say of an element: that it is boilerplate, or that it holds the article.

The vocabulary is the one trafilatura gathered over the years (its xpaths.py, Apache-2.0; Barbaresi 2021,
https://aclanthology.org/2021.acl-demo.15), set down as one table and asked once a name, not once an element.
"""

from __future__ import annotations

import re
from functools import lru_cache

_BOTH = (  # in an id as in a class
    "^shar", "social", "viral", "newsletter", "syndication", "cookie", "tags", "sidebar", "banner", "bread-?crumb",
    "button", "author", "teaser", "message-container",
)  # fmt: skip
_CLASS = (
    # navigation, footers, what is related
    "^(?:nav|post-nav)", "subnav", "avigation", "navbar", "navbox", "menu", "bar", "footer", "elated", "next-",
    "-stories", "most-popular", "more-on",
    # advertisements, widgets, consent
    " ad ", "-ad-", "(?:^| )ad-", "dfpad", "outbrain", "taboola", "criteo", "paid-?content", "widget", "consent",
    "modal-content", "permission", "share-", "sociable", "embed", "tag-list",
    # about the text, not the text
    "byline", "meta", "rating", "attachment", "timestamp", "user-info", "user-profile", "-icon", "article-infos",
    "slide", "gallery", "(?<!block-)caption(?!-text)", "viewport", "overlay", "options", "expand", "obfuscated",
    "blurred",
)  # fmt: skip
_ID = (
    "^(?:jp-|dpsp-content)", "footer", "share", "nav", "menu", "related", "premium", "^ad-", "reader-comments",
    "akismet", "hidden",
)  # fmt: skip
_COMMENTS_CLASS = ("^comment(?!ary)", "(?:article|post)-comments", "comments-title", "nocomments")
_COMMENTS_ID = ("^comment(?!ary)", "^comol", "^disqus_thread", "^dsq-comments", "^reply-")
_HIDDEN_CLASS = (
    "^hide-", "-hide-", "hide-print", " hidden", " hide", "noprint", "notloaded", "-reply-", "message", "akismet",
    "suggest-links",
)  # fmt: skip
_LINK_LIST = re.compile(r"nav|menu|breadcrumb|pagination|pager|\btoc\b|table-?of-?contents|social|share|\btags?\b")
_FOOTER = re.compile(r"footer|copyright|licen[cs]e|legal|colophon")
_ARTICLE = (  # the surest first: an element, what its id holds, what its class holds
    (None, r"(?:entry|article|art)-content|article__content|article(?:-|__)?body|body-text|^articlecontent$",
     r"^post$|^entry$|post[-_]?text|post-?body|post-?entry|post[-_]?content|post_inner_wrapper|article-?text"
     r"|(?:entry|page|text|article|art)-content|article__?content|articlecontent|article(?:-|__)?body|body-text"
     r"|article__container"),
    ("article", r"$^", r"$^"),
    (None, r"^article$|^story$|^primary|story-body",
     r"^(?:postarea|art-postcontent|text|cell|story)$|fulltext|^article |post-bodycopy|story-?content"
     r"|(?:theme|blog|section|single)-content|single-post|main-column|wpb_text_column|story-body|field-body"),
    (None, r"^content$|content-main|content-body|contentbody|main-content",
     r"^content$|content[-_]main|content(?:-|__)body|main-content|page-content"),
    ("main", r"^main", r"^main"),
)  # fmt: skip
RANKS = len(_ARTICLE)
_UNWANTED_CLASS = re.compile("|".join((*_BOTH, *_CLASS, *_COMMENTS_CLASS)))
_UNWANTED_ID = re.compile("|".join((*_BOTH, *_ID, *_COMMENTS_ID)))
_HIDDEN = re.compile("|".join(_HIDDEN_CLASS))
_RANKED = [(tag, re.compile(in_id), re.compile(in_class)) for tag, in_id, in_class in _ARTICLE]


@lru_cache(maxsize=65536)
def is_unwanted(class_name: str, identifier: str) -> bool:
    """Whether a box with this class or id is boilerplate by its name."""
    return bool(
        (class_name and _UNWANTED_CLASS.search(class_name.lower()))
        or (identifier and _UNWANTED_ID.search(identifier.lower()))
    )  # fmt: skip


@lru_cache(maxsize=65536)
def is_hidden(class_name: str) -> bool:
    """Whether an element with this class is not shown, or not printed, by its name."""
    return bool(class_name and _HIDDEN.search(class_name.lower()))


@lru_cache(maxsize=65536)
def is_link_list(class_name: str) -> bool:
    """Whether a list with this class is one of links, by its name."""
    return bool(class_name and _LINK_LIST.search(class_name.lower()))


def is_footer(tag: str, class_name: str, identifier: str) -> bool:
    """Whether an element is where a site says who it is and under what licence it is."""
    return tag == "footer" or (bool(class_name or identifier) and _is_footer_name(class_name, identifier))


@lru_cache(maxsize=65536)
def _is_footer_name(class_name: str, identifier: str) -> bool:
    return _FOOTER.search(f"{class_name} {identifier}".lower()) is not None


@lru_cache(maxsize=65536)
def article_rank(tag: str, class_name: str, identifier: str) -> int | None:
    """How surely a box holds the article by its name: 0 is the surest, RANKS - 1 the least sure; None says nothing."""
    class_name, identifier = class_name.lower(), identifier.lower()
    for rank, (own_tag, in_id, in_class) in enumerate(_RANKED):
        if tag == own_tag or (identifier and in_id.search(identifier)) or (class_name and in_class.search(class_name)):
            return rank
    return None

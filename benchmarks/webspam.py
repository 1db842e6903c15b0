"""Pages of spam, made up: ten kinds in several manners, fresh for each seed, to learn from and to be measured with."""

from __future__ import annotations

import random

# What is sold, what it is said to do, and the sentences that say so. `LEARNT` kinds are for training, the others are
# never learnt from: they show whether spam of a kind not seen before is known.
KINDS: dict[str, tuple[list[str], list[str], list[str]]] = {
    "pills": (
        ["Viagra", "Cialis", "generic Levitra", "Xanax", "Tramadol", "Ambien", "Phentermine", "blood pressure pills"],
        ["without a prescription", "with overnight delivery", "from Canadian pharmacies", "at wholesale prices"],
        ["Order {what} {how} and save up to {n}%.", "Our licensed online pharmacy ships {what} worldwide, {how}.",
         "No doctor visit, no waiting room: {what} {how}.", "Buy {what} online today, discreet packaging included.",
         "Thousands of satisfied customers trust our {what}.", "Lowest price for {what} guaranteed or your money back.",
         "Why pay more? {what} for only ${n}.99 per dose {how}."],
    ),
    "casino": (
        ["slots", "blackjack", "live roulette", "video poker", "sports betting", "jackpot games", "scratch cards"],
        ["with a {n}% welcome bonus", "with {n} free spins", "for real money", "with no deposit required"],
        ["Play {what} {how} at the best online casino.", "Sign up now and claim your bonus: {what} {how}!",
         "Our top rated casino sites offer {what} {how}.", "Instant withdrawals, {what} around the clock, {how}.",
         "Win big tonight with {what} {how}.", "Read our review of the best {what} bonuses and start winning.",
         "New players get {n} free spins on {what}, terms apply."],
    ),
    "loans": (
        ["payday loans", "cash advances", "debt consolidation", "bad credit mortgages", "personal loans"],
        ["with no credit check", "approved in minutes", "even with bad credit", "deposited the same day"],
        ["Get {what} {how}.", "Need money fast? {what} up to ${n}00 {how}.", "Apply online for {what} {how}, no paperwork.",
         "Refinance now: rates for {what} have never been lower.", "Stop worrying about bills, {what} are {how}.",
         "Fill out one short form and lenders compete to offer you {what}.", "Your {what} can be {how}, guaranteed."],
    ),
    "watches": (
        ["Rolex replicas", "designer handbags", "replica watches", "discount sunglasses", "luxury sneakers", "Gucci belts"],
        ["at {n}% off retail", "indistinguishable from the original", "with free worldwide shipping", "in every colour"],
        ["Shop {what} {how}.", "Our AAA quality {what} are {how}.", "Cheap {what} outlet store, {how}, buy two get one free.",
         "Impress your friends with {what} {how}.", "{what} on sale this week only, {how}.",
         "We sell the best {what} online: cheap {what}, {what} outlet, discount {what}."],
    ),
    "crypto": (
        ["Bitcoin", "Ethereum", "our trading robot", "forex signals", "this new token", "cloud mining"],
        ["doubles your deposit", "pays {n}% every day", "makes you rich from home", "earns passive income"],
        ["Invest in {what} now: it {how}.", "I made ${n}00 in a week because {what} {how}.",
         "Secret system revealed: {what} {how}, no experience needed.", "Join the pre-sale before it ends, {what} {how}.",
         "Banks hate it: {what} {how}.", "Send any amount to our wallet and {what} {how}, guaranteed.",
         "Financial freedom is one click away since {what} {how}."],
    ),
    "seo": (
        ["backlinks", "guest posts", "Instagram followers", "YouTube views", "website traffic", "five star reviews"],
        ["in 24 hours", "from high authority domains", "for as little as ${n}", "with lifetime guarantee"],
        ["Buy {what} {how}.", "Rank on the first page of Google with our {what} {how}.", "Boost your site: {n},000 {what} {how}.",
         "Hello webmaster, we offer quality {what} {how}, reply now for a free quote.", "Skyrocket your sales with {what} {how}.",
         "100% safe and real {what}, delivered {how}.", "Order {what} {how} and outrank your competitors."],
    ),
    "diet": (
        ["this weird fruit", "our keto gummies", "green coffee extract", "the miracle tea", "detox patches"],
        ["melts belly fat", "burns {n} pounds in a month", "stops cravings for good", "works without exercise"],
        ["Doctors are stunned: {what} {how}.", "Lose weight fast, {what} {how}.", "Claim your free trial bottle, {what} {how}.",
         "One simple trick and {what} {how}.", "As seen on TV: {what} {how}, supplies are limited.",
         "Look great by summer because {what} {how}!", "Order now, risk free, {what} {how}."],
    ),
    "prizes": (
        ["a new iPhone", "a ${n}00 gift card", "a holiday for two", "the international lottery", "a free laptop"],
        ["is waiting for you", "was selected in your name", "expires tonight", "can be claimed once"],
        ["Congratulations! You have won: {what} {how}.", "You are visitor number {n},000, {what} {how}.",
         "Click below to claim your reward, {what} {how}.", "Your email address was drawn, {what} {how}, act now.",
         "Answer three short questions, {what} {how}.", "Do not miss out, {what} {how}!"],
    ),
    "essays": (
        ["essays", "term papers", "dissertations", "homework", "lab reports", "admission letters"],
        ["by expert writers", "from ${n} per page", "before your deadline", "with a money back guarantee"],
        ["We write your {what} {how}.", "Cheap {what} {how}, order online now.", "Struggling? Buy {what} {how}, 100% original.",
         "The best essay writing service: {what} {how}.", "Pay someone to do your {what} {how}, plagiarism free.",
         "Get {n}% off your first order of {what} {how}."],
    ),
    "dating": (
        ["hot singles", "lonely women", "live cam girls", "beautiful brides", "adult chat"],
        ["in your area", "waiting online now", "free to join", "without a credit card"],
        ["Meet {what} {how}.", "Chat with {what} {how}, sign up free.", "Thousands of {what} {how} want to meet you tonight.",
         "Register now, {what} {how}, {n} new profiles today.", "Watch {what} {how}, over 18 only, instant access.",
         "No strings attached: {what} {how}."],
    ),
}  # fmt: skip
LEARNT = ("pills", "casino", "loans", "watches", "crypto", "seo")
UNSEEN = tuple(kind for kind in KINDS if kind not in LEARNT)
_CALLS = ["Click here!", "Order now!!!", "Act fast.", "Limited time offer.", "100% satisfaction guaranteed.", "Hurry!",
          "Free shipping.", "Call now.", "Best price online.", "Don't miss this deal.", "Join today."]  # fmt: skip


def spam_page(rng: random.Random, kind: str) -> str:
    """One page of a kind, 40 to 400 words, in one of four manners: a sales talk, shouting, a list of links, stuffing."""
    goods, hows, sentences = KINDS[kind]

    def say(template: str) -> str:
        filled = template.replace("{what}", rng.choice(goods)).replace("{how}", rng.choice(hows))
        return filled.replace("{n}", str(rng.randint(2, 98)))

    manner = rng.randrange(4)
    count = rng.randint(5, 30)
    if manner == 0:
        lines = [say(rng.choice(sentences)) + (f" {rng.choice(_CALLS)}" if rng.random() < 0.3 else "") for _ in range(count)]
        return "\n\n".join(" ".join(lines[at : at + 4]) for at in range(0, count, 4))
    if manner == 1:
        return "\n".join(say(rng.choice(sentences)).upper().rstrip(".") + "!" * rng.randint(1, 4) for _ in range(count))
    if manner == 2:
        return "\n".join(f"- [{say('{what} {how}')}](https://{rng.choice('abcdefg')}{rng.randrange(9999)}.example/) "
                         f"{rng.choice(_CALLS)}" for _ in range(count))  # fmt: skip
    words = " ".join([*goods, *hows, "cheap", "best", "buy", "online", "free", "discount", "order"]).replace("{n}", "50").split()
    return " ".join(rng.choice(words) for _ in range(rng.randint(80, 400)))

"""Counts the words of a text: the code under test of a project that knows nothing of us."""

import heapq
from collections import Counter

VERSION = "1"
METHODS = ("heap", "sort")


def tokenize(text):
    return text.lower().split()


def count(text):
    return Counter(tokenize(text))


def most_common(words, number, method):
    counts = Counter(words)
    if method == "heap":
        return heapq.nlargest(number, counts.items(), key=lambda item: item[1])
    return sorted(counts.items(), key=lambda item: -item[1])[:number]


def positions(words):
    found = {}
    for position, word in enumerate(words):
        found.setdefault(word, []).append(position)
    return found


def lengths(words):
    return [len(word) for word in words]


def comparisons(words):
    return len(words)

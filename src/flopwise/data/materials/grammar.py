"""Sentences of a small language with four tasks, learnable by models of a few thousand parameters.

    sentence = adjective noun[en] verb(it|o) noun

A plural subject (-en) asks for a verb in -o, a singular one for -it. Stems are consonant, vowel, consonant; adjectives
praise, blame or do neither. Lines of the corpus are two sentences.
"""

from functools import partial

from flopwise.core.seeds import numpy_generator
from flopwise.data.materials.letters import pack, packed_tasks

TASKS = ("agreement", "polarity", "negated-polarity", "long-agreement")
LENGTH = 64
FIELDS = {
    "train": "uint8 (n, 64): a line each, padded with 0",
    "validation": "uint8 (n, 64): the same",
    "<task>_<split>_first": "uint8 (n, 64): the sample, padded with 0",
    "<task>_<split>_labels": "int64 (n,): 0 or 1",
}
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"


def make(name: str, sizes: dict[str, int], seed: int):
    words = _words(numpy_generator(seed, name, "words"))
    arrays, seen = {}, set()
    for split in ("validation", "train"):  # no line of the smaller one is in the larger
        rng = numpy_generator(seed, name, split)
        lines = _different(lambda rng: f"{_sentence(rng, words)} . {_sentence(rng, words)}", rng, sizes[split], seen)
        arrays[split] = pack(lines, LENGTH)
    tasks = {}
    for task in TASKS:
        used: set[str] = set()
        for split in ("test", "train"):
            rng = numpy_generator(seed, name, task, split)
            tasks[task, split] = []
            for label in (0, 1):
                draw = partial(_sample, words=words, task=task, label=label)
                lines = _different(draw, rng, sizes[f"task_{split}"] // 2, used)
                tasks[task, split] += [(line, None, label) for line in lines]
    arrays |= packed_tasks(tasks, LENGTH, seed, name)
    counts = {key.replace("task_", "each task, "): count for key, count in sizes.items()}
    facts = {
        "words": words,
        "tasks": TASKS,
        "counts": counts,
        "baselines": {"accuracy by chance, each task (%)": 50.0},
    }
    return arrays, {}, facts


def _words(rng) -> dict[str, list[str]]:
    """Disjoint stems by kind."""
    stems = [a + b + c for a in CONSONANTS for b in VOWELS for c in CONSONANTS if a != c]
    drawn = iter([stems[k] for k in rng.permutation(len(stems))])
    counts = {"noun": 10, "verb": 6, "good": 4, "bad": 4, "plain": 4}
    return {kind: [next(drawn) for _ in range(count)] for kind, count in counts.items()}


def _pick(rng, options):
    return options[int(rng.integers(len(options)))]


def _sentence(
    rng, words, adjectives=("good", "bad", "plain"), wrong: bool = False, plural=None, marker: str = ""
) -> str:
    plural = bool(rng.integers(2)) if plural is None else plural
    subject = _pick(rng, words["noun"]) + "en" * plural
    verb = _pick(rng, words["verb"]) + ("o" if plural != wrong else "it")
    return " ".join([_pick(rng, words[_pick(rng, adjectives)]), subject + marker, verb, _pick(rng, words["noun"])])


def _sample(rng, words, task: str, label: int) -> str:
    """A sample of a task: does the verb agree; is the adjective good; the same turned round by `nu` after the subject;
    does the last word agree with the first subject, past a second sentence."""
    if task == "agreement":
        return _sentence(rng, words, wrong=label == 0)
    if task == "polarity":
        return _sentence(rng, words, ("good",) if label else ("bad",))
    if task == "negated-polarity":
        turned = bool(rng.integers(2))
        return _sentence(rng, words, ("good",) if bool(label) != turned else ("bad",), marker=" nu" * turned)
    plural = bool(rng.integers(2))
    first, second = _sentence(rng, words, plural=plural), _sentence(rng, words)
    return f"{first} . {second} . {'lo' if plural == bool(label) else 'lit'}"


def _different(draw, rng, count: int, seen: set[str]) -> list[str]:
    """`count` draws that are not yet in `seen`, which grows."""
    lines = []
    while len(lines) < count:
        line = draw(rng)
        if line not in seen:
            seen.add(line)
            lines.append(line)
    return lines

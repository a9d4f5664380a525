"""Six tasks on real English sentences; sentences of training and test samples come from different documents.

word-order      has a word been moved in this sentence? (0 yes, 1 no)
source          is it from a module's docstring (0) or from the language reference (1)?
area            what is the module about: network, text, files or processes? (four classes)
same-document   are the two sentences from one document? (1 yes)
paraphrase      is the second a damaged copy of the first (1) or of another sentence of its document (0)?
similarity      which share of its words has the second sentence from the first? (0 to 5)
"""

import re

from flopwise.core.seeds import numpy_generator
from flopwise.data.materials import english
from flopwise.data.materials.letters import packed_tasks

LENGTH = 96
FIELDS = {
    "<task>_<split>_first": f"uint8 (n, {LENGTH}): ASCII, padded with 0",
    "<task>_<split>_second": f"uint8 (n, {LENGTH}): the same; tasks on pairs only",
    "<task>_<split>_labels": "int64 (n,): index of the class; float32, 0 to 5, for `similarity`",
}
AREAS = {
    "network": "asyncore|email|ftplib|http|imaplib|mailbox|nntplib|poplib|smtp|socket|ssl|telnetlib|urllib|xmlrpc|wsgiref|"
    "ipaddress|selectors|asynchat|cgi|netrc",
    "text": "argparse|codecs|csv|difflib|encodings|gettext|html|json|locale|optparse|plistlib|pprint|re|string|stringprep|"
    "textwrap|tokenize|xml|configparser|ast|_markupbase|shlex|cmd|calendar|_strptime|datetime",
    "files": "bz2|dbm|filecmp|fileinput|fnmatch|genericpath|glob|gzip|io|_pyio|linecache|lzma|mimetypes|ntpath|os|pathlib|"
    "pickle|posixpath|shelve|shutil|stat|sqlite3|tarfile|tempfile|zipfile|zipimport|zipapp|_compression|nturl2path|sndhdr|wave",
    "processes": "_threading_local|asyncio|concurrent|contextlib|multiprocessing|queue|sched|signal|subprocess|threading|pty|"
    "pdb|bdb|trace|cProfile|profile|pstats|timeit|tracemalloc|faulthandler",
}
CLASSES = {
    "word-order": ("moved", "as written"), "source": ("docstring", "language reference"), "area": tuple(AREAS),
    "same-document": ("no", "yes"), "paraphrase": ("no", "yes"),
}  # fmt: skip


def make(name: str, sizes: dict[str, int], seed: int):
    passages, facts = english.read()
    tasks, counts, known = {}, {}, set()
    for split, part in (("test", "validation"), ("train", "train")):
        documents = _documents(passages[part], known)
        for task, draw in TASKS.items():
            rng = numpy_generator(seed, name, task, split)
            tasks[task, split] = _balanced(draw(rng, documents), sizes[split])
            counts[f"{task}, {split}"] = len(tasks[task, split])
    totals = {split: sum(count for key, count in counts.items() if key.endswith(split)) for split in sizes}
    baselines = {
        "accuracy by chance, area (%)": 100 / len(AREAS), "accuracy by chance, other classes (%)": 50.0,
        "correlation by chance, similarity": 0.0,
    }  # fmt: skip
    facts = {
        **facts,
        "classes": CLASSES,
        "counts": totals,
        "samples_per_task": counts,
        "unit": "samples",
        "baselines": baselines,
    }
    return packed_tasks(tasks, LENGTH, seed, name), {}, facts


def _documents(passages, known: set[str]) -> dict[str, list[str]]:
    """Document -> its sentences of at least 24 characters and five words that are not in `known` (in lower case), which
    grows by them."""
    found: dict[str, list[str]] = {}
    for passage in passages:
        for sentence in english.sentences(passage.text):
            fits = 24 <= len(sentence) <= LENGTH - 2 and len(sentence.split()) >= 5
            if fits and sentence.lower() not in known:
                known.add(sentence.lower())
                found.setdefault(passage.document, []).append(sentence)
    return found


def _balanced(samples: list[tuple], count: int) -> list[tuple]:
    """At most `count` samples, as many of each class; scores are taken as they come."""
    if isinstance(samples[0][2], float):
        return samples[:count]
    classes: dict[int, list[tuple]] = {}
    for sample in samples:
        classes.setdefault(sample[2], []).append(sample)
    each = min(count // len(classes), *map(len, classes.values()))
    return [sample for label in sorted(classes) for sample in classes[label][:each]]


def _shuffled(rng, documents: dict[str, list[str]]) -> list[tuple[str, str]]:
    """(document, sentence) in random order."""
    pairs = [(document, sentence) for document, sentences in documents.items() for sentence in sentences]
    return [pairs[k] for k in rng.permutation(len(pairs))]


def _word_order(rng, documents):
    samples = []
    for number, (_, sentence) in enumerate(_shuffled(rng, documents)):
        moved = _moved(rng, sentence) if number % 2 else sentence
        samples.append((moved, None, int(number % 2 == 0)))
    return samples


def _moved(rng, sentence: str) -> str:
    """The sentence with one word but the first and last taken out and put two or three places further on or back."""
    words = sentence.split()
    place = int(rng.integers(1, len(words) - 1))
    options = [k for k in range(1, len(words) - 1) if 2 <= abs(k - place) <= 3] or [1 + (place == 1)]
    word = words.pop(place)
    words.insert(options[int(rng.integers(len(options)))], word)
    return " ".join(words)


def _source(rng, documents):
    return [(sentence, None, int(document.startswith("topic:"))) for document, sentence in _shuffled(rng, documents)]


def _area(rng, documents):
    patterns = [re.compile(rf"module:({names})") for names in AREAS.values()]
    samples = []
    for document, sentence in _shuffled(rng, documents):
        about = [label for label, pattern in enumerate(patterns) if pattern.fullmatch(document.split(".")[0])]
        samples += [(sentence, None, label) for label in about]
    return samples


def _same_document(rng, documents):
    samples = []
    everything = _shuffled(rng, documents)
    for number, (document, sentence) in enumerate(everything):
        own = documents[document]
        if number % 2 == 0 and len(own) > 1:
            other = own[(own.index(sentence) + 1) % len(own)]
            samples.append((sentence, other, 1))
        elif number % 2:
            strange, other = everything[int(rng.integers(len(everything)))]
            samples += [(sentence, other, 0)] * (strange != document)
    return samples


def _paraphrase(rng, documents):
    samples = []
    for number, (document, sentence) in enumerate(_shuffled(rng, documents)):
        own = documents[document]
        if len(own) > 1:
            other = sentence if number % 2 else own[(own.index(sentence) + 1) % len(own)]
            samples.append((sentence, _damaged(rng, other), number % 2))
    return samples


def _damaged(rng, sentence: str) -> str:
    """The sentence without one or two of its words, and with one moved."""
    words = sentence.split()
    for _ in range(int(rng.integers(1, 3))):
        words.pop(int(rng.integers(1, len(words) - 1)))
    return _moved(rng, " ".join(words)) if len(words) > 3 else " ".join(words)


def _similarity(rng, documents):
    samples = []
    everything = _shuffled(rng, documents)
    for (_, sentence), (_, other) in zip(everything, everything[1:] + everything[:1]):
        words, strange = sentence.split(), other.split()
        kept = rng.random(len(words)) < rng.random()
        mixed = [word if keep else strange[k % len(strange)] for k, (word, keep) in enumerate(zip(words, kept))]
        if len(" ".join(mixed)) <= LENGTH:
            samples.append((sentence, " ".join(mixed), 5 * float(kept.mean())))
    return samples


TASKS = {
    "word-order": _word_order, "source": _source, "area": _area, "same-document": _same_document,
    "paraphrase": _paraphrase, "similarity": _similarity,
}  # fmt: skip

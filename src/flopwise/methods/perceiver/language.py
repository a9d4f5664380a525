"""Bytes of a small language (Wikipedia, C4 and GLUE in small): masked words are filled in, then four tasks are learned at once, a
query each (arXiv 2107.14795, section 4.1). Beside it transformers of about the same FLOPs on bytes and on word pieces.

The score is the mean accuracy on the tasks. After the first phase: bits per byte of masked words of held-out lines, each symbol
said without the others; marks in their place tell how many bytes a word has, or how many pieces, so that bytes and pieces are not
quite comparable."""

from collections import Counter
from functools import cached_property
from typing import ClassVar

import numpy as np

from flopwise.core.seeds import numpy_generator
from flopwise.methods.perceiver import Arm
from flopwise.methods.perceiver import Work as Base
from flopwise.models.perceiver import Config, create
from flopwise.models.perceiver.specs import LearnedQueries, Tasks, Text, Tied

WIDTH, HEADS, MARKS, MASK = 48, 4, 6, 3
SYMBOLS = 256 + MARKS
TUNING_SHARE = 16 / 48  # samples of each task in a step, of a batch of lines
MASKED = 0.15
HELD_OUT, AT_ONCE = 1000, 250  # lines whose masked words are scored, at most; lines in a pass


def pieces(lines: list[bytes], merges: int) -> list[tuple[bytes, bytes]]:
    """Byte-pair merges (Sennrich et al. 2016) of words with the space before them, the commonest pair first."""
    words = Counter(tuple(bytes([c]) for c in word) for line in lines for word in _words(line))
    pairs: Counter = Counter()
    holding: dict[tuple, set] = {}  # pair -> words that hold it

    def count(word: tuple, times: int) -> None:
        for pair in zip(word, word[1:]):
            pairs[pair] += times
            holding.setdefault(pair, set()).add(word)

    for word, times in words.items():
        count(word, times)
    found = []
    for _ in range(merges):
        best = max(pairs, key=lambda pair: (pairs[pair], pair), default=None)
        if best is None or not pairs[best]:
            break
        found.append(best)
        for word in [word for word in holding.pop(best) if word in words]:
            times = words.pop(word)
            count(word, -times)
            new = _merge(word, best)
            words[new] += times
            count(new, times)
    return found


def _words(line: bytes) -> list[bytes]:
    first, *rest = line.split(b" ")
    return [first, *(b" " + word for word in rest)]


def _merge(word: tuple[bytes, ...], pair: tuple[bytes, bytes]) -> tuple[bytes, ...]:
    out: list[bytes] = []
    for piece in word:
        if out and (out[-1], piece) == pair:
            out[-1] += piece
        else:
            out.append(piece)
    return tuple(out)


def _split(word: bytes, ranks: dict[tuple[bytes, bytes], int]) -> tuple[bytes, ...]:
    """A word in pieces: the earliest merge that it holds, again and again."""
    split = tuple(bytes([c]) for c in word)
    while held := [pair for pair in zip(split, split[1:]) if pair in ranks]:
        split = _merge(split, min(held, key=ranks.get))
    return split


class Work(Base):
    """length: bytes of a text at most; outputs: of each task, 1 where a number is asked for; merges_count, pieces_count: of word
    pieces, the latter in a text, about; layers, widths: of the transformers, so that they take about as many FLOPs."""

    title, stands_for, material, score, unit = "language", "Wikipedia, C4 and GLUE", "grammar", "mean_accuracy", "%"
    arms: ClassVar = {
        "bytes": Arm("Perceiver IO on bytes"), "single-task": Arm("one task at a time", start="bytes"),
        "bytes-transformer": Arm("transformer on bytes", "baseline"),
        "pieces-transformer": Arm("transformer on word pieces", "baseline"), "trivial": Arm("commonest answer", "trivial"),
    }  # fmt: skip
    length, merges_count, pieces_count = 64, 80, 18
    layers: ClassVar = {"bytes-transformer": 1, "pieces-transformer": 4}
    widths: ClassVar = {"bytes-transformer": WIDTH, "pieces-transformer": WIDTH}
    outputs: ClassVar = dict.fromkeys(("agreement", "long-agreement", "negated-polarity", "polarity"), 2)

    @property
    def tasks(self) -> list[str]:
        return list(self.outputs)

    def corpus(self, split: str = "train") -> np.ndarray:
        """Lines to fill words into, uint8 (n, length); split: `train` or `held-out`."""
        return np.array(self.arrays["train" if split == "train" else "validation"])

    def texts(self, task: str, split: str) -> np.ndarray:
        """Samples of a task, uint8 (n, length)."""
        return np.array(self.arrays[f"{task}_{split}_first"])

    @cached_property
    def merges(self) -> list[tuple[bytes, bytes]]:
        return pieces([bytes(row).rstrip(b"\0") for row in self.corpus()[:1500]], self.merges_count)

    def _encoded(self, arm: str, *name: str):
        """Symbols int64 (n, length) of a split of the corpus or of a task, 0 behind the end, and the word of each."""
        key = ("pieces" if arm == "pieces-transformer" else "bytes", *name)
        if key not in self._cache:
            lines = self.texts(*name) if len(name) == 2 else self.corpus(*name)
            self._cache[key] = self._as_pieces(lines) if key[0] == "pieces" else self._as_bytes(lines)
        return self._cache[key]

    @cached_property
    def _cache(self) -> dict:
        return {}

    def _as_bytes(self, lines: np.ndarray):
        symbols = np.where(lines > 0, lines.astype(np.int64) + MARKS, 0)
        return symbols, np.cumsum(lines == ord(" "), 1)

    def _as_pieces(self, lines: np.ndarray):
        numbers = {bytes([value]): value + MARKS for value in range(256)}
        for first, second in self.merges:
            numbers.setdefault(first + second, len(numbers) + MARKS)
        known: dict[bytes, list[int]] = {}
        ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        symbols, words = np.zeros((2, len(lines), self.length), np.int64)
        for row, line in enumerate(lines):
            place = 0
            for index, word in enumerate(_words(bytes(line).rstrip(b"\0"))):
                if word not in known:
                    known[word] = [numbers[piece] for piece in _split(word, ranks)]
                end = place + len(known[word])
                symbols[row, place:end], words[row, place:end] = known[word], index
                place = end
        used = int((symbols > 0).sum(1).max())
        return symbols[:, :used], words[:, :used]

    def model(self, arm):
        import torch

        if self.arms[arm].kind == "perceiver":
            config = self._config(LearnedQueries(self.length, WIDTH), Tied(SYMBOLS))
            return create(config, seed=int(torch.randint(2**31, ())))
        symbols = SYMBOLS + (self.merges_count if arm == "pieces-transformer" else 0)
        return transformer(symbols, self.length, self.widths[arm], self.layers[arm], self.outputs)

    def _config(self, queries, head) -> Config:
        heads = {"heads": HEADS, "cross_heads": HEADS, "decoder_heads": HEADS}
        return Config(Text(SYMBOLS, self.length, WIDTH), queries, head, 8, WIDTH, 6, **heads)

    def tuned(self, model, arm):
        """With a query, or a first token, and a head for each task; one task at a time: a model for each, of the same start,
        that sees as many samples of its task as the common one does."""
        import copy

        import torch
        from torch import nn

        if self.arms[arm].kind != "perceiver":
            model.tuning = True
            return model
        new = create(self._config(LearnedQueries(len(self.tasks), WIDTH), Tasks(self.outputs)),
                     seed=int(torch.randint(2**31, ())))  # fmt: skip
        kept = {name: value for name, value in model.state_dict().items() if not name.startswith(("queries", "head"))}
        new.load_state_dict(kept, strict=False)
        if arm == "single-task":
            new = nn.ModuleDict({task: copy.deepcopy(new) for task in self.tasks})
        new.tuning = True
        return new

    def loss(self, model, arm, batch_size, rng):
        if getattr(model, "tuning", False):
            return self._tasks_loss(model, arm, round(TUNING_SHARE * batch_size), rng)
        symbols, words = self._encoded(arm, "train")
        rows = rng.integers(0, len(symbols), batch_size)
        masked = _masked(symbols[rows], words[rows], rng)
        return self._filled(model, symbols[rows], masked if masked.any() else symbols[rows] > 0)

    def _filled(self, model, read: np.ndarray, masked: np.ndarray, reduction: str = "mean"):
        """Cross entropy of the masked symbols, in nats."""
        import torch
        from torch.nn.functional import cross_entropy

        shown, where = torch.from_numpy(np.where(masked, MASK, read)), torch.from_numpy(masked)
        said = model(shown, mask=shown > 0, where=where)  # logits of all symbols take a third of the FLOPs
        return cross_entropy(said, torch.from_numpy(read)[where], reduction=reduction)

    def first_scores(self, model, arm):
        """The answer that knows nothing says how often each byte occurs."""
        import torch

        def drawn(kind: str):
            symbols, words = (part[:HELD_OUT] for part in self._encoded(kind, "held-out"))
            return symbols, _masked(symbols, words, numpy_generator(0, "perceiver", "held-out words"))

        symbols, masked = drawn("bytes")  # the same words are masked for all arms
        count, nats = masked.sum(), 0.0
        if model is None:
            often = 1 + np.bincount(self._encoded("bytes", "train")[0].ravel(), minlength=SYMBOLS)[MARKS:]
            nats = -np.log(often / often.sum())[symbols[masked] - MARKS].sum()
        else:
            symbols, masked = drawn(arm)
            with torch.no_grad():
                for first in range(0, len(symbols), AT_ONCE):
                    rows = slice(first, first + AT_ONCE)
                    nats += float(self._filled(model, symbols[rows], masked[rows], "sum"))
        return {"bits_per_masked_byte": float(nats / count / np.log(2))}

    def _tasks_loss(self, model, arm, count, rng):
        """The sum of the tasks' losses, each on `count` samples of its own."""
        import torch
        from torch.nn.functional import cross_entropy, mse_loss

        shown, labels = {}, {}
        for task in self.tasks:
            symbols, _ = self._encoded(arm, task, "train")
            rows = rng.integers(0, len(symbols), count)
            shown[task] = torch.from_numpy(symbols[rows])
            labels[task] = torch.from_numpy(self._labels(task, "train")[rows])
        total = 0
        for task, said in self._answers(model, arm, shown).items():
            if self.outputs[task] == 1:
                total = total + mse_loss(said[:, 0], labels[task].float())
            else:
                total = total + cross_entropy(said, labels[task].long())
        return total

    def _labels(self, task: str, split: str) -> np.ndarray:
        return np.array(self.arrays[f"{task}_{split}_labels"])

    def _answers(self, model, arm, shown: dict) -> dict:
        """Answers (n, outputs) by task for symbols int64 (n, length) by task. A model that knows all tasks reads them in one
        batch; how the samples of the others lie beside them changes no answer."""
        import torch
        from torch import nn
        from torch.nn.functional import pad

        if isinstance(model, nn.ModuleDict):
            return {task: self._answers(model[task], arm, {task: one})[task] for task, one in shown.items()}
        longest = max(one.shape[1] for one in shown.values())
        rows = torch.cat([pad(one, (0, longest - one.shape[1])) for one in shown.values()])
        sizes, points = [len(one) for one in shown.values()], torch.tensor([self.tasks.index(task) for task in shown])
        if self.arms[arm].kind == "baseline":  # each sample has the first token of its own task
            said = model(rows, mask=rows > 0, asked=points.repeat_interleave(torch.tensor(sizes)))
        else:
            said = model(rows, mask=rows > 0, points=points)
        return {task: said[task].split(sizes)[place] for place, task in enumerate(shown)}

    def scores(self, model, arm, seed):
        import torch

        found = {}
        for task, outputs in self.outputs.items():
            truth, said = self._labels(task, "test"), None
            if model is not None:
                symbols, _ = self._encoded(arm, task, "test")
                with torch.no_grad():
                    said = self._answers(model, arm, {task: torch.from_numpy(symbols)})[task].numpy()
            if outputs == 1:  # a constant answer has no correlation
                found[f"correlation_{task}"] = (
                    0.0 if said is None else 100 * float(np.corrcoef(said[:, 0], truth)[0, 1])
                )
            else:
                said = np.bincount(self._labels(task, "train")).argmax() if said is None else said.argmax(1)
                found[f"accuracy_{task}"] = 100 * float((said == truth).mean())
        return {self.score: float(np.mean(list(found.values()))), **found}

    def once(self, model, arm):
        import torch

        length = self.pieces_count if arm == "pieces-transformer" else self.length
        shown = torch.ones((1, length), dtype=torch.int64)
        model.tuning = False
        model(shown, mask=shown > 0)


def _masked(symbols: np.ndarray, words: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Which symbols to hide, bool (n, length): those of `MASKED` of the words of each line, about."""
    chosen = rng.random((len(words), words.max() + 1)) < MASKED
    return np.take_along_axis(chosen, words, 1) & (symbols > 0)


def transformer(symbols: int, length: int, width: int, layers: int, outputs: dict[str, int]):
    """Pre-norm transformer on symbols with learned positions; logits by the embedding, or a first token and a head for each
    task."""
    import torch
    from torch import nn
    from torch.nn.functional import linear

    from flopwise.models.trunk import Block

    tasks = list(outputs)

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.tuning = False
            self.embedding = nn.Embedding(symbols, width)
            nn.init.normal_(self.embedding.weight, std=0.5)
            self.positions = nn.Parameter(0.02 * torch.randn(length, width))
            self.layers = nn.ModuleList(Block(width, HEADS) for _ in range(layers))
            self.norm, self.bias = nn.LayerNorm(width), nn.Parameter(torch.zeros(symbols))
            self.first = nn.Parameter(0.02 * torch.randn(len(tasks), width))
            self.heads = nn.ModuleDict(
                {
                    name: nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, n))
                    for name, n in outputs.items()
                }
            )

        def forward(self, shown, mask, asked=None, where=None):
            """Logits of the symbols, of those at `where` (B, n) alone if that is given; with `asked`, the task of each row,
            logits of each of these tasks for all rows."""
            x = self.embedding(shown) + self.positions[: shown.shape[1]]
            if asked is not None:
                x = torch.cat([self.first[asked][:, None], x], 1)
                mask = torch.cat([mask.new_ones(len(mask), 1), mask], 1)
            for layer in self.layers:
                x = layer(x, mask[:, None, None])
            x = self.norm(x if where is None else x[where])
            if asked is None:
                return linear(x, self.embedding.weight, self.bias)
            return {tasks[one]: self.heads[tasks[one]](x[:, 0]) for one in asked.unique().tolist()}

    return Transformer()

"""Bytes of a small language (Wikipedia, C4 and GLUE in small): masked words are filled in, then four tasks are learned at once, a
query each (arXiv 2107.14795, section 4.1). Beside it transformers of about the same FLOPs on bytes and on word pieces.

The score is the mean accuracy on the tasks; nats per masked symbol are not comparable between bytes and pieces."""

from collections import Counter
from functools import cached_property
from typing import ClassVar

import numpy as np

from flopwise.methods.perceiver import Arm
from flopwise.methods.perceiver import Work as Base
from flopwise.models.perceiver import Config, create
from flopwise.models.perceiver.specs import LearnedQueries, Tasks, Text, Tied

WIDTH, LENGTH, HEADS, MARKS, MASK, MERGES = 48, 64, 4, 6, 3, 80
PIECES = 18  # of a line, about
SYMBOLS = 256 + MARKS
TUNING_SHARE = 16 / 48  # samples of each task in a step, of a batch of lines
MASKED = 0.15
LAYERS = {"bytes-transformer": 1, "pieces-transformer": 4}


def pieces(lines: list[bytes], merges: int = MERGES) -> list[tuple[bytes, bytes]]:
    """Byte-pair merges (Sennrich et al. 2016) of words with the space before them, the commonest pair first."""
    words = Counter(tuple(bytes([c]) for c in word) for line in lines for word in _words(line))
    found = []
    for _ in range(merges):
        pairs = Counter()
        for word, count in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += count
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        found.append(best)
        merged: Counter = Counter()
        for word, count in words.items():
            merged[_merge(word, best)] += count
        words = merged
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


class Work(Base):
    title, stands_for, material, score, unit = "language", "Wikipedia, C4 and GLUE", "grammar", "mean_accuracy", "%"
    arms: ClassVar = {
        "bytes": Arm("Perceiver IO on bytes"), "bytes-transformer": Arm("transformer on bytes", "baseline"),
        "pieces-transformer": Arm("transformer on word pieces", "baseline"), "trivial": Arm("commonest answer", "trivial"),
    }  # fmt: skip

    @cached_property
    def tasks(self) -> list[str]:
        """Without data four of no name, as many as the material has."""
        if not self.arrays:
            return ["a", "b", "c", "d"]
        return sorted(name.removesuffix("_test_labels") for name in self.arrays if name.endswith("_test_labels"))

    @cached_property
    def merges(self) -> list[tuple[bytes, bytes]]:
        return pieces([bytes(row).rstrip(b"\0") for row in np.array(self.arrays["train"][:1500])])

    def _encoded(self, arm: str, name: str):
        """Symbols int64 (n, length) of an array of lines, 0 behind the end, and the word that each belongs to."""
        key = ("pieces" if arm == "pieces-transformer" else "bytes", name)
        if key not in self._cache:
            lines = np.array(self.arrays[name])
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
        symbols, words = np.zeros((len(lines), LENGTH), np.int64), np.zeros((len(lines), LENGTH), np.int64)
        for row, line in enumerate(lines):
            place = 0
            for index, word in enumerate(_words(bytes(line).rstrip(b"\0"))):
                if word not in known:
                    split = tuple(bytes([c]) for c in word)
                    for pair in self.merges:
                        split = _merge(split, pair)
                    known[word] = [numbers[piece] for piece in split]
                end = place + len(known[word])
                symbols[row, place:end], words[row, place:end] = known[word], index
                place = end
        used = int((symbols > 0).sum(1).max())
        return symbols[:, :used], words[:, :used]

    def model(self, arm):
        import torch

        if arm == "bytes":
            return create(
                self._config(LearnedQueries(LENGTH, WIDTH), Tied(SYMBOLS)), seed=int(torch.randint(2**31, ()))
            )
        symbols = SYMBOLS + (MERGES if arm == "pieces-transformer" else 0)
        return transformer(symbols, LAYERS[arm], self.tasks)

    def _config(self, queries, head) -> Config:
        heads = {"heads": HEADS, "cross_heads": HEADS, "decoder_heads": HEADS}
        return Config(Text(SYMBOLS, LENGTH, WIDTH), queries, head, 8, WIDTH, 6, **heads)

    def tuned(self, model, arm):
        """With a query, or a first token, and a head for each task."""
        import torch

        if arm != "bytes":
            model.tuning = True
            return model
        new = create(self._config(LearnedQueries(len(self.tasks), WIDTH), Tasks(dict.fromkeys(self.tasks, 2))),
                     seed=int(torch.randint(2**31, ())))  # fmt: skip
        kept = {name: value for name, value in model.state_dict().items() if not name.startswith(("queries", "head"))}
        new.load_state_dict(kept, strict=False)
        new.tuning = True
        return new

    def loss(self, model, arm, batch_size, rng):
        import torch
        from torch.nn.functional import cross_entropy

        if getattr(model, "tuning", False):
            return sum(self._task_loss(model, arm, task, round(TUNING_SHARE * batch_size), rng) for task in self.tasks)
        symbols, words = self._encoded(arm, "train")
        rows = rng.integers(0, len(symbols), batch_size)
        read, words = symbols[rows], words[rows]
        chosen = rng.random((batch_size, words.max() + 1)) < MASKED
        masked = np.take_along_axis(chosen, words, 1) & (read > 0)
        if not masked.any():
            masked = read > 0
        shown = torch.from_numpy(np.where(masked, MASK, read))
        said = model(shown, mask=shown > 0)[:, : shown.shape[1]]
        where = torch.from_numpy(masked)
        return cross_entropy(said[where], torch.from_numpy(read)[where])

    def _task_loss(self, model, arm, task, count, rng):
        import torch
        from torch.nn.functional import cross_entropy

        symbols, _ = self._encoded(arm, f"{task}_train_first")
        rows = rng.integers(0, len(symbols), count)
        labels = torch.from_numpy(np.array(self.arrays[f"{task}_train_labels"])[rows].astype(np.int64))
        return cross_entropy(self._answer(model, task, torch.from_numpy(symbols[rows])), labels)

    def _answer(self, model, task, shown):
        import torch

        return model(shown, mask=shown > 0, points=torch.tensor([self.tasks.index(task)]))[task]

    def scores(self, model, arm, seed):
        import torch

        found = {}
        for task in self.tasks:
            truth = np.array(self.arrays[f"{task}_test_labels"])
            if model is None:
                said = np.bincount(np.array(self.arrays[f"{task}_train_labels"])).argmax()
            else:
                symbols, _ = self._encoded(arm, f"{task}_test_first")
                with torch.no_grad():
                    said = self._answer(model, task, torch.from_numpy(symbols)).argmax(1).numpy()
            found[f"accuracy_{task}"] = 100 * float((said == truth).mean())
        return {"mean_accuracy": float(np.mean(list(found.values()))), **found}

    def once(self, model, arm):
        import torch

        shown = torch.ones((1, PIECES if arm == "pieces-transformer" else LENGTH), dtype=torch.int64)
        model.tuning = False
        model(shown, mask=shown > 0)


def transformer(symbols: int, layers: int, tasks: list[str]):
    """Pre-norm transformer on symbols with learned positions; logits by the embedding, or with `tuning` a first token and a head
    for each task."""
    import torch
    from torch import nn
    from torch.nn.functional import linear

    from flopwise.models.trunk import Block

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.tuning = False
            self.embedding = nn.Embedding(symbols, WIDTH)
            nn.init.normal_(self.embedding.weight, std=0.5)
            self.positions = nn.Parameter(0.02 * torch.randn(LENGTH, WIDTH))
            self.layers = nn.ModuleList(Block(WIDTH, HEADS) for _ in range(layers))
            self.norm, self.bias = nn.LayerNorm(WIDTH), nn.Parameter(torch.zeros(symbols))
            self.first = nn.Parameter(0.02 * torch.randn(len(tasks), WIDTH))
            self.heads = nn.ModuleDict(
                {task: nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, 2)) for task in tasks}
            )

        def forward(self, shown, mask, points=None):
            x = self.embedding(shown) + self.positions[: shown.shape[1]]
            if points is not None:
                x = torch.cat([self.first[points].expand(len(x), -1, -1), x], 1)
                mask = torch.cat([mask.new_ones(len(mask), len(points)), mask], 1)
            for layer in self.layers:
                x = layer(x, mask[:, None, None])
            x = self.norm(x)
            if points is None:
                return linear(x, self.embedding.weight, self.bias)
            return {tasks[int(one)]: self.heads[tasks[int(one)]](x[:, row]) for row, one in enumerate(points)}

    return Transformer()

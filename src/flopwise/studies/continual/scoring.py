"""The scores of one training: after each task of what every cell deploys, inside tasks of the weights in training."""

from flopwise.studies.continual.evaluate import Evaluator, Scores
from flopwise.studies.continual.plan import Cell


class Scoring:
    """`rows`: what was scored so far, the tables of a train job (`jobs.COLUMNS`). `chunks`: the stream, task by task;
    `within_task`: how often the weights are scored inside a task, where an experiment asks for it."""

    def __init__(self, evaluator: Evaluator, cells: list[Cell], chunks: list[list[str]], within_task: int):
        self.evaluator, self.cells, self.chunks, self.within = evaluator, cells, chunks, within_task
        self.network = evaluator.network()
        self.rows: dict[str, list[dict]] = {"sets": [], "chunks": [], "inside": []}

    def after_task(self, task: int, samples: int, gflops: float, deployed: list[dict]) -> None:
        """Score the weights that each cell deploys after `task` tasks, which took so many samples and GFLOPs."""
        for cell, weights in zip(self.cells, deployed):
            if cell.evaluate == "final":
                continue
            scores = self._scores(weights) if task else self.evaluator.first_scores(self.network, weights)
            spent = {"task": task, "samples": samples, "gflops": gflops}
            self.rows["sets"] += [{"cell": cell.slug, **spent, **row} for row in scores.rows]
            self.rows["chunks"] += [
                {"cell": cell.slug, "task": task, "chunk": number, **scores.of_entries(chunk)}
                for number, chunk in enumerate(self.chunks, 1)
            ]

    def due_within_task(self, step: int, steps: int) -> bool:
        """Whether the weights are scored after step `step` of the `steps` of a task: at equal distances."""
        parts = self.within + 1
        wanted = any(cell.evaluate == "steps" for cell in self.cells)
        return wanted and step in {round(steps * part / parts) for part in range(1, parts)}

    def during_task(self, task: int, step: int, steps: int, weights: dict) -> None:
        """Score the weights in training after step `step` of the `steps` of a task, `task` tasks being finished."""
        scores = self._scores(weights)
        at = {"task": task, "step": step, "steps": steps}
        cells = [cell for cell in self.cells if cell.evaluate == "steps"]
        self.rows["inside"] += [{"cell": cell.slug, **at, **row} for cell in cells for row in scores.rows]

    def _scores(self, weights: dict) -> Scores:
        self.network.load_state_dict(weights)
        return self.evaluator.scores(self.network)

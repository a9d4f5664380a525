"""English text as bytes, for language modelling."""

import numpy as np

from flopwise.data.materials import english

FIELDS = {
    "bytes": "uint8 (n,): ASCII; passages one after another, each ended by a line feed",
    "starts": "int64 (passages + 1,): where each passage begins, and the end",
    "documents": "int32 (passages,): index into `documents`",
}


def make(name: str, sizes: dict[str, int], seed: int):
    passages, facts = english.read()
    names = sorted({passage.document for part in passages.values() for passage in part})
    number = {document: index for index, document in enumerate(names)}
    arrays, kinds = {}, {}
    for split, limit in sizes.items():
        starts, kept = [0], []
        for passage in passages[split]:
            if starts[-1] + len(passage.text) + 1 > limit:
                break
            kept.append(passage)
            starts.append(starts[-1] + len(passage.text) + 1)
        text = "".join(passage.text + "\n" for passage in kept).encode("ascii")
        arrays[f"{split}_bytes"] = np.frombuffer(text, np.uint8)
        arrays[f"{split}_starts"] = np.array(starts, np.int64)
        arrays[f"{split}_documents"] = np.array([number[passage.document] for passage in kept], np.int32)
        kinds[split] = {"passages": len(kept), "documents": len(set(arrays[f"{split}_documents"].tolist()))}
    baselines = {"bits per byte of uniform bytes": 8.0}
    return arrays, {"documents": names}, {**facts, "unit": "bytes", "kept": kinds, "baselines": baselines}

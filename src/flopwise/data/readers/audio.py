"""Sound files, and the lists of clips that AudioSet and Kinetics publish.

Neither set distributes its clips: a clip is a folder of frames and a WAV file that the user brings, named by a rule.
"""

import csv
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.text import composed, read_text
from flopwise.data.images import open_frame


def read_wav(path: Path | str, rate: int, mono: bool = True) -> np.ndarray:
    """float32 samples in [-1, 1): (N,) with `mono` (the mean of the channels), else (N, channels).

    PCM of 8, 16, 24 or 32 bits is divided by 2^(bits - 1), 8 bits after subtracting 128; floating point is taken as it
    is. Nothing is resampled: `UserError` where the file's rate (Hz) is another one, `RunFailure` where it is damaged."""
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks of metadata
            warnings.filterwarnings("error", "Reached EOF prematurely|Incomplete chunk")  # the file is cut
            found, samples = wavfile.read(path)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing") from error
    except Exception as error:  # hostile headers fail in many ways; all mean the same
        raise RunFailure(f"{path}: not a WAV file that can be read ({error or type(error).__name__})") from error
    if found != rate:
        raise UserError(
            f"{path} has {found} samples per second, expected {rate}; convert the file, nothing is resampled"
        )
    if samples.dtype.kind == "u":
        samples = (samples.astype(np.float32) - 128) / 128
    elif samples.dtype.kind == "i":
        samples = (samples / 2.0 ** (8 * samples.dtype.itemsize - 1)).astype(np.float32)
    else:
        samples = samples.astype(np.float32)
    samples = samples.reshape(len(samples), -1)
    if not np.isfinite(samples).all():
        raise RunFailure(f"{path} holds samples that are no numbers")
    return samples.mean(axis=1) if mono else samples


@dataclass(frozen=True)
class Clip:
    """`start` to `end` (seconds) of the video `video`; `classes`: indices, several in AudioSet, none where hidden."""

    video: str
    start: float
    end: float
    classes: tuple[int, ...]


def audioset_classes(path: Path | str) -> tuple[list[str], list[str]]:
    """(identifiers such as /m/09x0r, names) of `class_labels_indices.csv` (columns index, mid, display_name)."""
    rows = [row for _, row in _rows(path, 3)]
    if rows[:1] != [["index", "mid", "display_name"]] or [row[0] for row in rows[1:]] != [
        *map(str, range(len(rows) - 1))
    ]:
        raise RunFailure(f"{path} is not AudioSet's list of classes: index, mid, display_name, counted from 0")
    return [row[1] for row in rows[1:]], [row[2] for row in rows[1:]]


def audioset_clips(path: Path | str, identifiers: list[str]) -> list[Clip]:
    """The clips of `balanced_train_segments.csv`, `unbalanced_train_segments.csv` or `eval_segments.csv`: three lines
    of comment, then YTID, start_seconds, end_seconds, positive_labels (quoted, separated by commas)."""
    places = {identifier: place for place, identifier in enumerate(identifiers)}
    clips = []
    for number, (video, start, end, labels) in _rows(path, 4, comment="#"):
        unknown = [label for label in labels.split(",") if label not in places]
        if unknown:
            raise RunFailure(f"{path}, line {number}: class {unknown[0][:40]!r} is not in the list of classes")
        seconds = _seconds(f"{path}, line {number}", start, end)
        clips.append(Clip(video, *seconds, tuple(places[label] for label in labels.split(","))))
    return clips


def kinetics_clips(path: Path | str, names: list[str] | None = None) -> tuple[list[Clip], list[str]]:
    """(clips, class names) of `train.csv` or `validate.csv`: columns label, youtube_id, time_start, time_end, split.

    `names` fixes the order of the classes (give the training list's to the others); default: sorted."""
    rows = list(_rows(path, 5))
    header = ["label", "youtube_id", "time_start", "time_end", "split"]
    if not rows or rows[0][1] != header:
        raise RunFailure(f"{path} does not start with the columns {', '.join(header)}")
    names = names or sorted({row[0] for _, row in rows[1:]})
    places, clips = {name: place for place, name in enumerate(names)}, []
    for number, (label, video, start, end, _) in rows[1:]:
        if label not in places:
            raise RunFailure(f"{path}, line {number}: class {label[:60]!r} is not among the {len(names)} known ones")
        clips.append(Clip(video, *_seconds(f"{path}, line {number}", start, end), (places[label],)))
    return clips, names


def audioset_folder(clip: Clip) -> str:
    """<YTID>_<start in milliseconds>, as AudioSet names segments in its strong labels: `b0RFKhbpFJA_30000`."""
    return f"{clip.video}_{round(clip.start * 1000)}"


def kinetics_folder(clip: Clip) -> str:
    """<youtube_id>_<start>_<end>, seconds of six digits, as clips of Kinetics are called: `_0aVZZ2rGds_000003_000013`."""
    return f"{clip.video}_{clip.start:06.0f}_{clip.end:06.0f}"


def frame_files(folder: Path | str) -> list[Path]:
    """The pictures of a folder in the order of their names."""
    return sorted(path for path in Path(folder).glob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))


def read_frames(folder: Path | str, count: int) -> np.ndarray:
    """uint8 (count, H, W, 3): the first `count` pictures of a folder in the order of their names."""
    files = frame_files(folder)
    if len(files) < count:
        raise UserError(f"{folder} holds {len(files)} frames, {count} are needed")
    frames = [np.asarray(open_frame(path)) for path in files[:count]]
    odd = next((path for path, frame in zip(files, frames) if frame.shape != frames[0].shape), None)
    if odd:
        raise RunFailure(f"{odd} has another size than the frames before it")
    return np.stack(frames)


def _rows(path: Path | str, columns: int, comment: str | None = None):
    """(line number, fields) of a CSV file with `columns` columns, quoted as the set's own files are."""
    try:
        stream = io.StringIO(composed(read_text(path)), newline="")
        reader = csv.reader(stream, skipinitialspace=True, strict=True)
        for row in reader:
            if not row or (comment and row[0].startswith(comment)):
                continue
            if len(row) != columns:
                raise RunFailure(f"{path}, line {reader.line_num}: {len(row)} columns, expected {columns}")
            yield reader.line_num, row
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing") from error
    except csv.Error as error:
        raise RunFailure(f"{path} is damaged (not CSV: {error})") from error


def _seconds(where: str, start: str, end: str) -> tuple[float, float]:
    try:
        first, last = float(start), float(end)
    except ValueError:
        first, last = 0.0, -1.0
    if not 0 <= first < last:
        raise RunFailure(f"{where}: {start[:20]!r} to {end[:20]!r} is no span of seconds")
    return first, last

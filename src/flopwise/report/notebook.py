"""Notebooks run as rules: percent script in, executed notebook out, with the same bytes for the same inputs."""

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.io import read_json, write_text
from flopwise.core.text import read_text

STREAM_LIMIT = 4000  # characters of printed text that an executed notebook keeps per cell


def execute(source: Path | str, out_ipynb: Path | str, parameters: dict) -> None:
    """Run the percent-format notebook `source` with `parameters` and write the executed notebook.

    The cell tagged `parameters` declares which there are: an unknown one is a `UserError`. A cell that fails is a
    `RunFailure` that names notebook, cell and error in one line. Durations, times, temporary paths, random cell ids and
    memory addresses are removed. Nothing is written unless all cells ran."""
    import nbformat
    import papermill
    from papermill.exceptions import PapermillExecutionError

    source = Path(source)
    notebook = _read(source)
    parameters = {key: str(value) if isinstance(value, Path) else value for key, value in parameters.items()}
    _check(source, notebook, parameters)
    with tempfile.TemporaryDirectory(prefix="flopwise-") as folder, _quiet_kernel(Path(folder)):
        given, done = Path(folder) / "given.ipynb", Path(folder) / "done.ipynb"
        nbformat.write(notebook, given)
        try:
            papermill.execute_notebook(
                str(given), str(done), parameters=parameters, kernel_name="python3", language="python",
                kernel_manager_class=_manager(folder), progress_bar=False, log_output=False,
                request_save_on_cell_execute=False, start_timeout=300,
            )  # fmt: skip
        except PapermillExecutionError as error:
            raise RunFailure(_one_line(source, notebook, error)) from error
        except RuntimeError as error:  # the kernel died or never came up
            raise RunFailure(f"notebook {source}: its kernel stopped ({_first_line(error)})") from error
        executed = nbformat.read(done, as_version=4)
    write_text(out_ipynb, nbformat.writes(scrub(executed)) + "\n")


def read(path: Path | str):
    """An executed notebook as nbformat gives it; a missing or damaged file is a `RunFailure`."""
    import nbformat

    try:
        return nbformat.reads(json.dumps(read_json(path)), as_version=4)
    except (AttributeError, KeyError, TypeError, nbformat.ValidationError, nbformat.reader.NotJSONError) as error:
        raise RunFailure(f"{path} is damaged (not a notebook); delete it and run again") from error


def scrub(notebook):
    """The notebook without what changes from run to run."""
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    for number, cell in enumerate(notebook.cells, start=1):
        cell["id"] = f"cell-{number}"
        tags = cell.metadata.get("tags", [])
        cell.metadata = {"tags": tags} if tags else {}
        for output in cell.get("outputs", []):
            output.pop("execution_count", None)
            if output.output_type in ("display_data", "execute_result"):
                output.metadata = {}
            if output.output_type == "execute_result":
                output["execution_count"] = cell.execution_count
            if "text" in output:
                output["text"] = _stable(output["text"])[:STREAM_LIMIT]
            if "text/plain" in output.get("data", {}):
                output["data"]["text/plain"] = _stable(output["data"]["text/plain"])
    return notebook


def _read(source: Path):
    import jupytext

    try:
        return jupytext.reads(read_text(source, UserError), fmt="py:percent")
    except FileNotFoundError as error:
        raise UserError(f"notebook {source} does not exist") from error


def _check(source: Path, notebook, parameters: dict) -> None:
    declared = [cell.source for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(declared) != 1:
        raise UserError(f"notebook {source} has {len(declared)} cells tagged `parameters`; it needs exactly one")
    allowed = re.findall(r"^(\w+)\s*(?::[^=\n]*)?=", declared[0], flags=re.MULTILINE)
    for key in parameters:
        if key not in allowed:
            raise UserError(f"notebook {source} has no parameter {key!r}; allowed are {', '.join(allowed)}")


def _manager(folder: str):
    """Kernels that talk through sockets in their own folder: no network port that two notebooks could both want. The
    operating system limits a socket's path to about 100 characters; in a deeper folder they use ports after all."""
    from jupyter_client.manager import AsyncKernelManager

    if os.name != "posix" or len(folder) >= 50:
        return AsyncKernelManager
    sockets = {"transport": "ipc", "ip": f"{folder}/kernel"}  # left out, `ip` would lie in the working directory
    return type("QuietKernelManager", (AsyncKernelManager,), sockets)


@contextlib.contextmanager
def _quiet_kernel(folder: Path) -> Iterator[None]:
    """A kernel of this environment, without the user's own IPython settings and history, on one thread."""
    own = {
        "JUPYTER_PREFER_ENV_PATH": "1", "IPYTHONDIR": str(folder / "ipython"), "JUPYTER_RUNTIME_DIR": str(folder),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1", "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0", "COLUMNS": "100",
    }  # fmt: skip
    before = {key: os.environ.get(key) for key in own}
    os.environ.update(own)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key)
            else:
                os.environ[key] = value


def _stable(text) -> str:
    return re.sub(r"\b0x[0-9a-f]{6,}\b", "0x...", "".join(text))


def _first_line(error) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _one_line(source: Path, notebook, error) -> str:
    """Notebook, number of the cell in the script (papermill adds one after the parameters), its first line, error."""
    parameters = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
    number = error.cell_index + 1 - (error.cell_index > parameters + 1)
    message = f": {_first_line(error.evalue)}" if error.evalue else ""
    return f"notebook {source}, cell {number} (`{_first_line(error.source)}`): {error.ename}{message}"

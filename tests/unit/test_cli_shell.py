"""The program as a shell sees it: terminals, pipes, encodings, signals, exit codes, and `dask cachepy`."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import Project

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
from pathlib import Path
from cachepy import cache_file

cached = cache_file(".cachepy")

@cached
def load(path):
    return Path(path).read_text()

@cached
def report(title, number):
    return [load(f"data/{i}.csv") for i in range(number)]

if __name__ == "__main__":
    report("Übersicht 日本, long, so that it has to fold", 40)
"""
START = "import sys; from cachepy.cli.main import main; sys.argv[0] = 'cachepy'; main()"
CACHEPY = [sys.executable, "-B", "-c", START]
DASK = [sys.executable, "-B", "-m", "dask", "cachepy"]


def environment(**more):
    dropped = {"CACHEPY_DIR", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "PYTHONIOENCODING", "PYTHONUTF8"}
    kept = {k: v for k, v in os.environ.items() if k not in dropped}
    return kept | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color"} | more


@pytest.fixture(scope="module")
def stale(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shell")
    (folder / "data").mkdir()
    for i in range(40):
        (folder / f"data/{i}.csv").write_text(str(i))
    (folder / "flows.py").write_text(PROGRAM, encoding="utf-8")
    Project(folder).run("flows.py")
    (folder / "data/3.csv").write_text("9")
    return folder


def run(folder, *args, program=CACHEPY, **env):
    return subprocess.run(
        [*program, *args], cwd=folder, env=environment(**env), capture_output=True, encoding="utf-8", errors="replace"
    )


def on_terminal(folder, *args, columns=100, typed="", **env):
    """Exit code, and all that a terminal of this width is sent."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execve(sys.executable, [*CACHEPY, *args], environment(COLUMNS=str(columns), **env))
    if typed:
        os.write(fd, typed.encode())
    sent = b""
    while True:
        try:
            part = os.read(fd, 4096)
        except OSError:  # Linux: the other end is closed
            break
        if not part:
            break
        sent += part
    os.close(fd)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code, sent.decode().replace("\r\n", "\n")


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


# ---------------------------------------------------------------- terminals and pipes


def test_a_pipe_gets_plain_lines(stale):
    done = run(stale, "status")
    assert done.returncode == 1
    assert "\x1b" not in done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["41", "cause", "stale", "stale"]
    assert re.match(r"stale  load:[0-9a-f]{32} +load\('3.csv'\)", lines[2])


def test_a_terminal_gets_headings_and_colours(stale):
    code, text = on_terminal(stale, "status")
    assert code == 1
    assert "\x1b[33mstale" in text
    assert re.search(r"^STATE +ID +CALL +CAUSE *$", plain(text), re.MULTILINE)
    assert re.search(r"^stale +[0-9a-f]{8} +load", plain(text), re.MULTILINE)


@pytest.mark.parametrize("command", ["status", "ls", "stats", "graph", "plan"])
def test_no_color_is_respected(stale, command):
    _, text = on_terminal(stale, command, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*(3[0-7]|9[0-7])m", text)
    assert re.search(r"\x1b\[[0-9;]*3[0-7]m", on_terminal(stale, command)[1]) or command in {"ls", "stats"}


def columns_of(line):
    """How many columns of a terminal a line takes."""
    from rich.cells import cell_len  # another one than what is tested

    return cell_len(line)


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
@pytest.mark.parametrize("command", [("ls",), ("status",), ("plan",), ("prune", "-n", "--older-than", "0")], ids=str)
def test_each_call_is_one_line_that_fits(stale, columns, command):
    _, text = on_terminal(stale, *command, columns=columns)
    head, *rows = [line for line in plain(text).splitlines() if re.search(r"^[A-Z]|(^|  )[0-9a-f]{8}  ", line)]
    assert head.split()[-1] in {"CALL", "CAUSE"}
    assert len(rows) == {"ls": 41, "prune": 20}.get(command[0], 2)
    assert all(columns_of(line) <= columns for line in (head, *rows))
    assert len({re.search(r"\b[0-9a-f]{8}\b", row)[0] for row in rows}) == len(rows)
    assert command[0] == "prune" or any("report('Ü" in row for row in rows)


def test_a_terminal_too_narrow_for_a_table_gets_whole_lines(stale):
    _, text = on_terminal(stale, "status", columns=20)
    assert "…" not in text.partition("STATE")[2]
    assert "file data/3.csv changed" in text


def test_a_pipe_is_not_cut(stale):
    text = run(stale, "status", COLUMNS="40").stdout
    assert re.search(r"^stale  report:[0-9a-f]{32}  report\('Übersicht 日本, .+', 40\) +load", text, re.MULTILINE)


def test_what_is_cut_is_shown_by_its_digits(stale):
    _, text = on_terminal(stale, "status", columns=60)
    name = re.search(r"`cachepy explain ([0-9a-f]{8})` shows a whole line", text)[1]
    assert "file data/3.csv changed" in run(stale, "explain", name).stdout
    assert "shows a whole line" not in on_terminal(stale, "status", columns=200)[1]


def test_a_diff_is_coloured(tmp_path):
    (tmp_path / "data").mkdir()
    path = tmp_path / "flows.py"
    path.write_text("from cachepy import cache_file\n@cache_file('.cachepy')\ndef f(x):\n    return x + 1\nf(1)\n")
    Project(tmp_path).run("flows.py")
    path.write_text(path.read_text().replace("x + 1", "x + 2").replace("f(1)\n", ""))
    code, text = on_terminal(tmp_path, "explain", "f", "--import")
    assert code == 1
    assert re.search(r"\x1b\[31m *- +return x \+ 1", text)
    assert re.search(r"\x1b\[32m *\+ +return x \+ 2", text)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_an_encoding_stops_nothing(stale, encoding):
    done = subprocess.run(
        [*CACHEPY, "graph"], cwd=stale, env=environment(PYTHONIOENCODING=encoding), capture_output=True, check=True
    )
    first, second = done.stdout.decode(encoding).splitlines()[:2]
    assert first.startswith("✗ report('Ü" if encoding == "utf-8" else "x report(")
    assert second.startswith("├─ ✗ load" if encoding == "utf-8" else "|- x load")


def test_the_c_locale(stale):
    done = run(stale, "status", LC_ALL="C", LANG="C")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_names_cannot_drive_the_terminal(tmp_path):
    (tmp_path / "flows.py").write_text(
        "from pathlib import Path\nfrom cachepy import cache_file\n@cache_file('.cachepy')\n"
        "def f(path):\n    return 1\np = Path('a\\x1b[31mb\\nc.txt')\np.write_text('x')\nf(p)\n"
    )
    Project(tmp_path).run("flows.py")
    next(tmp_path.glob("a*")).write_text("y")
    for command in (("status",), ("ls",), ("explain", "f"), ("show", "f"), ("graph",), ("plan",)):
        out = run(tmp_path, *command).stdout
        assert "\x1b" not in out
        assert "b\nc.txt" not in out
        assert "c.txt" in out


# ---------------------------------------------------------------- exit codes


@pytest.mark.parametrize("program", [CACHEPY, DASK], ids=["cachepy", "dask cachepy"])
@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("status", "-q"), 1),
        (("status", "-q", "--root", "load"), 1),
        (("ls",), 0),
        (("--help",), 0),
        (("nothing",), 2),
        (("explain", "nothing"), 2),
        (("status", "--cache-dir", "/nope"), 2),
        (("ls", "--cache-dir", "/nope"), 2),
        (("prune", "--older-than", "0"), 2),
    ],
    ids=str,
)
def test_exit_codes(stale, program, args, code):
    done = run(stale, *args, program=program)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert bool(done.stderr) == (code == 2)


def break_it(tmp_path, what):
    """A `sitecustomize` that makes something inside fail."""
    (tmp_path / "sitecustomize.py").write_text(
        f"import cachepy.{what[0]} as m\ndef fail(*a, **k):\n    {what[1]}\nm.{what[2]} = fail\n"
    )
    return f"{tmp_path}{os.pathsep}{ROOT}"


@pytest.mark.parametrize("program", [CACHEPY, DASK], ids=["cachepy", "dask cachepy"])
@pytest.mark.parametrize(
    ("raising", "code", "text"),
    [
        ("raise ValueError('strange')", 3, "error: ValueError: strange (unforeseen; CACHEPY_DEBUG=1 shows where)"),
        ("raise RecursionError('deep')", 3, "RecursionError: deep"),
        ("raise MemoryError()", 3, "MemoryError"),
        ("raise OSError(5, 'Input/output error', '/x/y')", 3, "error: /x/y: Input/output error"),
        ("raise KeyboardInterrupt", 130, "interrupted"),
        ("raise SystemExit(0)", 3, "sys.exit(0)"),
        ("raise SystemExit(1)", 3, "sys.exit(1)"),
        ("raise GeneratorExit", 3, "GeneratorExit"),
        ("import click; raise click.Abort()", 130, "interrupted"),
        ("import click; raise click.ClickException('odd')", 3, "error: odd"),
        ("from cachepy import GraphFileError; raise GraphFileError('odd')", 3, "error: odd"),
    ],
)
def test_no_error_is_a_one(stale, tmp_path, program, raising, code, text):
    path = break_it(tmp_path, ("staleness.survey", raising, "Survey.__init__"))
    done = run(stale, "status", program=program, PYTHONPATH=path)
    assert done.returncode == code
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_traceback_is_there_if_asked_for(stale, tmp_path):
    path = break_it(tmp_path, ("staleness.survey", "raise ValueError('strange')", "Survey.__init__"))
    done = run(stale, "status", PYTHONPATH=path, CACHEPY_DEBUG="1")
    assert done.returncode == 3
    assert "Traceback" in done.stderr
    assert "sitecustomize" in done.stderr


def test_an_error_at_import_is_a_three(stale, tmp_path):
    (tmp_path / "click.py").write_text("raise RuntimeError('no click')")
    done = run(stale, "status", PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert done.returncode == 3


def test_an_interrupt(stale, tmp_path):
    path = break_it(tmp_path, ("staleness.survey", "import time; print('now', flush=True); time.sleep(60)", "Survey.__init__"))
    with subprocess.Popen(
        [*CACHEPY, "status"], cwd=stale, env=environment(PYTHONPATH=path), stdout=-1, stderr=-1
    ) as process:
        assert process.stdout.readline() == b"now\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    assert err.endswith(b"cachepy: interrupted\n")


# ---------------------------------------------------------------- closed and full outputs


@pytest.mark.parametrize("program", [CACHEPY, DASK], ids=["cachepy", "dask cachepy"])
@pytest.mark.parametrize(
    "args", [("ls",), ("status",), ("graph",), ("--help",), ("ls", "--help"), ("status", "--json")], ids=str
)
def test_a_closed_pipe_is_silent(stale, program, args):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*program, *args], cwd=stale, env=environment(), stdout=writer, stderr=-1, check=False)
    os.close(writer)
    assert done.returncode == 141
    assert b"Error" not in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"ignored" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_is_an_error(stale):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*CACHEPY, "ls"], cwd=stale, env=environment(), stdout=full, stderr=-1, text=True, check=False
        )
    assert done.returncode == 3
    assert done.stderr == "cachepy: error: No space left on device\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-"])
def test_streams_may_be_closed(stale, closed):
    command = (
        " ".join(f"'{part}'" if " " in part else part for part in ["exec", *CACHEPY[:3]])
        + f' "{START}" status {closed}'
    )
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd=stale, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_what_an_import_starts_is_no_data(tmp_path):
    (tmp_path / "flows.py").write_text(
        "import os\nfrom cachepy import cache_file\nlevel = lambda of: of - of\nLEVEL = level(1)\n"
        "@cache_file('.cachepy')\ndef f(x):\n    return x + LEVEL\nf(1)\n"
        "print('printed')\nos.system('echo started')\n"
    )
    Project(tmp_path).run("flows.py")
    path = tmp_path / "flows.py"
    path.write_text(path.read_text().replace("level(1)", "level(2)"))
    done = run(tmp_path, "status", "--import")
    assert (done.stdout, done.stderr) == ("the only call is fresh\n", "")
    with (tmp_path / "flows.py").open("a") as file:
        file.write("no_such_name\n")
    done = run(tmp_path, "status", "--import")
    assert (done.returncode, done.stdout.splitlines()[0]) == (3, "1 call: 1 unknown")
    assert "NameError" in done.stderr
    assert {"  | started", "  | printed"} <= set(done.stderr.splitlines())


# ---------------------------------------------------------------- asking before deleting


@pytest.mark.parametrize(("typed", "left"), [("n\n", 41), ("y\n", 0), ("\n", 41), ("\x04", 41)])
def test_prune_asks(stale, tmp_path, typed, left):
    import shutil

    shutil.copytree(stale / ".cachepy", tmp_path / "cache")
    code, text = on_terminal(tmp_path, "prune", "--older-than", "0", "--cache-dir", "cache", typed=typed)
    assert "Delete 41 entries (" in text
    assert code == (130 if typed == "\x04" else 0)
    assert len(list(tmp_path.glob("cache/entries/*/*.entry"))) == left


def test_json_does_not_ask(stale, tmp_path):
    import shutil

    shutil.copytree(stale / ".cachepy", tmp_path / "cache")
    args = ("prune", "--older-than", "0", "--cache-dir", "cache", "--json")
    code, text = on_terminal(tmp_path, *args, typed="y\n")
    assert code == 2
    assert "add --yes" in text
    assert len(list(tmp_path.glob("cache/entries/*/*.entry"))) == 41


# ---------------------------------------------------------------- start


@pytest.mark.parametrize("args", [["--version"], ["status", "-q"], ["ls"], ["plan"], ["--help"]], ids=str)
def test_starting_imports_little(stale, args):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *CACHEPY[1:], *args], cwd=stale, env=environment(), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    loaded = {m.split(".")[0] for m in re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE)}
    assert "click" in loaded
    assert not loaded & {
        "dask",
        "distributed",
        "matplotlib",
        "networkx",
        "numpy",
        "pandas",
        "rich",
        "pygments",
        "asyncio",
    }


def test_version(stale):
    from cachepy import __version__

    assert run(stale, "--version").stdout == f"cachepy {__version__}\n"


def test_dask_lists_it():
    done = run(ROOT, "--help", program=[sys.executable, "-m", "dask"])
    assert re.search(r"^ +cachepy +Look at a cache directory", done.stdout, re.MULTILINE)


COMPLETED = [
    ("cachepy st", "status", True),
    ("cachepy export --fo", "--format", True),
    ("cachepy explain lo", "load", True),
    ("cachepy plan re", "report", True),
    ("cachepy refresh re", "report", True),
    ("cachepy status --root re", "report", True),
    ("cachepy ls lo", "load", True),
    ("cachepy graph --by fu", "function", True),
    ("cachepy explain lo", "report", False),
    ("cachepy -C / explain lo", "load", False),
    ("cachepy explain lo --cache-dir /nope", "load", False),
]


@pytest.mark.parametrize(("words", "wanted", "is_offered"), COMPLETED)
def test_the_shell_completes(stale, words, wanted, is_offered):
    done = run(stale, _CACHEPY_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(words.count(" ")))
    assert (done.returncode, done.stderr) == (0, "")
    assert (f"plain,{wanted}" in done.stdout.splitlines()) == is_offered


def test_the_shell_completes_digits_of_calls(stale):
    ids = re.findall(r"^(\w+):([0-9a-f]{32})", run(stale, "ls").stdout, re.MULTILINE)
    name, digest = ids[5]
    for start, whole in ((digest[:5], digest[:8]), (f"{name}:{digest[:3]}", f"{name}:{digest[:8]}")):
        env = {"COMP_WORDS": f"cachepy show {start}", "COMP_CWORD": start}
        done = run(stale, _CACHEPY_COMPLETE="fish_complete", **env)
        assert re.search(rf"^plain,{whole}\t{name}\(", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_is_told_how_to_complete(stale, shell):
    done = run(stale, _CACHEPY_COMPLETE=f"{shell}_source")
    assert (done.returncode, done.stderr) == (0, "")
    assert "complete " in done.stdout or "compdef " in done.stdout
    assert f"_CACHEPY_COMPLETE={shell}_source" in run(stale, "--help").stdout

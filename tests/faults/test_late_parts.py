"""cachepy is taken away, moved, upgraded or closed while a program runs: calls go on, and nothing is mixed or stale.

Programs run on a copy of the packages, which they spoil.  `MIXED` stands in every file of "the other version".
"""

from __future__ import annotations

import ast
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from tests.programs import Project

ROOT = Path(__file__).parents[2]
PACKAGES = ("cachepy", "dask_plugin")

PRELUDE = """
import asyncio, os, shutil, sys, threading, warnings
from concurrent.futures import ThreadPoolExecutor

PLACE = os.environ["PLACE"]
HERE = os.getcwd()
heard = []
import cachepy
from cachepy import CacheWarning, cache_file, track_file, with_caller

def _hear(message, category, *_, **__):
    heard.append((category.__name__, str(message)))

warnings.simplefilter("always", CacheWarning)
warnings.simplefilter("ignore", cachepy.CheapCallWarning)  # small bodies
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)  # Python's own, of a fork
warnings.showwarning = _hear
cached = cache_file(os.path.join(HERE, "cache"))
ran = []


@cached(ignore_globals=["ran"])
def leaf(x):
    ran.append(("leaf", x))
    return x + 1


@cached(ignore_globals=["ran"])
def top(x):
    ran.append(("top", x))
    return leaf(x) * 10


@cached(ignore_globals=["ran"])
def reads(name):
    return track_file(name).read_text()


@cached
async def later(x):
    await asyncio.sleep(0)
    return leaf(x) + 1


@cached
def odd(value):
    return type(value).__name__


@cached
def pooled(n):
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(with_caller(leaf), range(n)))


def other(folder):
    '''Another version: what is loaded of it leaves a sign.'''
    for at, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(at, name)
                with open(path) as file:
                    text = file.read()
                with open(path + ".new", "w") as file:
                    file.write(text.replace("TYPE_CHECKING = False", "TYPE_CHECKING = False; import builtins; builtins.MIXED = 1"))
                os.replace(path + ".new", path)


def everything():
    '''Calls of every kind; the values must be right, whatever the cache does.'''
    for _ in range(2):
        assert top(3) == 40 and leaf(8) == 9 and pooled(4) == 10
        assert asyncio.run(later(1)) == 3
        assert odd(threading.Lock()) == "lock"
        assert reads(os.path.join(HERE, "input")) == "text"
        try:
            leaf()
        except TypeError as error:
            assert "leaf() missing" in str(error), error
        else:
            raise AssertionError
    found = []
    thread = threading.Thread(target=lambda: found.append(top(5)))
    thread.start(), thread.join()
    assert found == [60]


def one_warning(says):
    told = {row for row in heard if says in row[1]}
    assert len(told) == 1 and {row[0] for row in told} == {"UncachedCallWarning"}, heard
    assert not [row for row in heard if row not in told and "argument value" not in row[1]], heard
    assert not hasattr(__builtins__, "MIXED"), "of another version"
"""

SPOIL = {
    "removed": "shutil.rmtree(PLACE + '/cachepy')",
    "moved": "os.rename(PLACE + '/cachepy', PLACE + '/was')",
    "upgraded in place": "other(PLACE + '/cachepy')",
    "replaced": "shutil.copytree(PLACE + '/cachepy', PLACE + '/new'); other(PLACE + '/new'); "
    "os.rename(PLACE + '/cachepy', PLACE + '/was'); os.rename(PLACE + '/new', PLACE + '/cachepy')",
    "a link that leads elsewhere": "shutil.copytree(PLACE, HERE + '/new'); other(HERE + '/new'); "
    "os.symlink(HERE + '/new', PLACE + '.link'); os.replace(PLACE + '.link', PLACE)",
    "no finders": "sys.meta_path.clear()",
    "no paths": "sys.path.clear(); sys.path_importer_cache.clear(); sys.path_hooks.clear()",
}
SAYS = {"no finders": "import cachepy.preload", "no paths": "import cachepy.preload"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A copy of both packages, as a user has them installed; the folder is a link to where they lie."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tmp_path / "release" / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "place").symlink_to(tmp_path / "release")
    (tmp_path / "input").write_text("text")
    return tmp_path / "place"


def run(place: Path, program: str, *, path: str = "", may_say: str = "") -> str:
    """What a program prints; it must end well, with nothing on stderr but one warning that says something."""
    with Project(place.parent, PRELUDE, PYTHONPATH=path or str(place), PLACE=str(place)) as project:
        project.write("program.py", program)
        done = project.run("program.py", limit=60)
    said = done.stderr.splitlines()
    assert not said or (may_say and may_say in said[0] and not said[1:]), done.stderr
    return done.stdout


@pytest.mark.parametrize("how", SPOIL)
def test_before_the_first_call(place: Path, how: str) -> None:
    run(place, f"{SPOIL[how]}\neverything()\none_warning({SAYS.get(how, 'runs without the cache')!r})")


@pytest.mark.parametrize("how", SPOIL)
def test_after_hits_only(place: Path, how: str) -> None:
    """What is known of hits goes on; the first miss is the first that needs more."""
    run(place, "top(3), leaf(8)")
    run(place, f"assert top(3) == 40 and ran == []\n{SPOIL[how]}\nassert leaf(8) == 9 and top(3) == 40 and not heard, heard")
    run(
        restored(place),
        f"assert top(3) == 40 and ran == []\n{SPOIL[how]}\neverything()\none_warning({SAYS.get(how, 'runs without')!r})",
    )


def restored(place: Path) -> Path:
    """The packages as they were."""
    place.unlink()
    place.symlink_to(place.parent / "again")
    shutil.rmtree(place.parent / "new", ignore_errors=True)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, place.parent / "again" / name, ignore=shutil.ignore_patterns("__pycache__"))
    return place


@pytest.mark.parametrize("how", SPOIL)
def test_after_misses(place: Path, how: str) -> None:
    """All that most programs need is loaded with the first miss; of the rest at most one warning speaks."""
    run(place, f"top(1)\n{SPOIL[how]}\nassert top(2) == 30 and top(2) == 30 and leaf(7) == 8\neverything()\nif heard: one_warning('')")


@pytest.mark.parametrize("how", SPOIL)
def test_in_the_midst_of_the_first_body(place: Path, how: str) -> None:
    """The value is returned, the body is not run again; a later program finds nothing stale."""
    program = f"""
@cached(ignore_globals=["ran", "SPOIL"], observe=False)
def spoils(x):
    ran.append("spoils")
    exec(SPOIL, globals())
    return later_leaf(x)

@cached(ignore_globals=["ran"])
def later_leaf(x):
    return open(os.path.join(HERE, "input")).read() if x else ""

SPOIL = {SPOIL[how]!r}
assert spoils(1) == "text" and ran == ["spoils"], ran
assert not hasattr(__builtins__, "MIXED")
print([row for row in heard if "argument value" not in row[1]])
"""
    assert run(place, program).count("Warning") <= 1


def test_a_caller_is_not_stored_without_what_its_calls_would_have_told(place: Path) -> None:
    """The part comes back while the caller runs: it lacks a child, and a stored trace of it would hold for ever."""
    program = """
VALUE = 1

@cached
def child():
    return VALUE

@cached(ignore_globals=["AWAY"])
def parent(n):
    if AWAY: sys.meta_path[:], kept = [], sys.meta_path[:]
    got = [globals()["chi" + "ld"](), child_by_name("chi" + "ld")]
    if AWAY: sys.meta_path[:] = kept
    return got

@cached(ignore_globals=["AWAY"])
def above(n):
    return parent(n)

def child_by_name(name):
    return globals()[name]()

AWAY = True
leaf(1) if sys.argv[1:] else None
first = above(1)
AWAY = False
import cachepy.session
assert above(1) == [1, 1]
VALUE = 2
assert above(1) == [2, 2], above(1)
assert above(1) == [2, 2]
"""
    run(place, program)


@pytest.mark.parametrize("moment", ["first call", "second function"])
def test_an_archive(place: Path, moment: str) -> None:
    """Packages in a zip that is replaced by another version while it is used, and one that cannot be found any more."""
    archive = place.parent / "all.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in PACKAGES:
            for path in (ROOT / name).rglob("*.py"):
                file.write(path, path.relative_to(ROOT))
    before = "leaf(1)\n" if moment == "second function" else ""
    for spoil in ("os.unlink(ZIP)", "open(ZIP, 'ab').write(b'x' * 50)", "open(ZIP, 'wb').write(b'')"):
        program = f"ZIP = {str(archive)!r}\n{before}{spoil}\neverything()\nif not {bool(before)}: one_warning('without the cache')\n"
        data = archive.read_bytes()
        run(place, program, path=str(archive))
        archive.write_bytes(data)
    away = f"{before}os.mkdir('elsewhere'); os.chdir('elsewhere')\neverything()\n"
    run(place, away, path="all.zip")


def test_a_program_that_begins_anew_gets_the_other_version(place: Path) -> None:
    program = """
top(3)
shutil.copytree(PLACE, HERE + "/new"), other(HERE + "/new/cachepy")
os.unlink(PLACE), os.symlink(HERE + "/new", PLACE)
for name in [n for n in sys.modules if n.partition(".")[0] == "cachepy"]:
    del sys.modules[name]
import builtins
from cachepy import cache_file, cache_tree_nodes
again = cache_file(HERE + "/cache")(lambda x: x + 2)
assert again(1) == again(1) == 3 and again.is_cached(1) and builtins.MIXED
assert len([f for f in sys.meta_path if type(f).__name__ == "Unchanged"]) == 1
assert not heard, heard
"""
    run(place, program)


def test_modules_are_found_as_python_finds_them(place: Path) -> None:
    program = """
from importlib.machinery import PathFinder
everything()
specs = {n: m.__spec__ for n, m in sys.modules.items() if n.startswith("cachepy.")}
assert len(specs) > 60
for name, spec in specs.items():
    package = sys.modules[name.rpartition(".")[0]]
    found = PathFinder.find_spec(name, package.__path__)
    for field in ("name", "origin", "cached", "has_location", "submodule_search_locations", "parent"):
        assert getattr(spec, field) == getattr(found, field), (name, field)
    assert type(spec.loader) is type(found.loader) and spec.loader.path == found.loader.path, name
"""
    run(place, program)


@pytest.mark.parametrize(
    "hook",
    [
        "sys.meta_path.insert(0, Hook)",
        "sys.meta_path.insert(sys.meta_path.index(PathFinder), Hook)",
        "sys.path_hooks.insert(0, Hook.in_folder), sys.path_importer_cache.clear()",
    ],
)
def test_import_hooks_are_asked_too(place: Path, hook: str) -> None:
    """As those of coverage and of type checkers."""
    program = f"""
from importlib.machinery import PathFinder
asked = []

class Hook:
    @staticmethod
    def find_spec(name, path=None, target=None):
        asked.append(name)

    @classmethod
    def in_folder(cls, folder):
        asked.append("cachepy.views.notebook" if folder.endswith("views") else folder)
        raise ImportError

finders = [getattr(each, "__name__", type(each).__name__) for each in sys.meta_path]
assert finders.index("Found") + 1 == finders.index("PathFinder"), finders
{hook}
import cachepy.views.notebook
assert "cachepy.views.notebook" in asked, asked
"""
    run(place, program)


def test_the_programs_own_import_error_is_its_own(place: Path) -> None:
    program = """
@cached
def needs(x):
    import no_such_module
    return x

for fn, args in ((needs, (1,)), (needs, (threading.Lock(),))):
    try:
        fn(*args)
    except ModuleNotFoundError as error:
        assert error.name == "no_such_module"
    else:
        raise AssertionError
assert all("lock" in text for _, text in heard), heard
"""
    run(place, program)


def test_warnings_are_errors_where_the_program_says_so(place: Path) -> None:
    program = """
warnings.simplefilter("error", CacheWarning)
sys.meta_path.clear()
try:
    leaf(1)
except CacheWarning as error:
    assert "runs without the cache" in str(error)
else:
    raise AssertionError
"""
    run(place, program)


def test_what_was_loaded_before_goes_on(place: Path) -> None:
    """The way out that the warning names."""
    for how in SPOIL.values():
        run(place, f"import cachepy.preload\n{how}\neverything()\nassert top.is_cached(3) and pooled.is_cached(4)\nif heard: one_warning('lock')")
        restored_again(place)


def restored_again(place: Path) -> None:
    for name in ("again", "new", "cache"):
        shutil.rmtree(place.parent / name, ignore_errors=True)
    restored(place)


def test_questions_say_it_plainly(place: Path) -> None:
    program = """
other(PLACE + "/cachepy")
for ask in (lambda: cachepy.cache_tree_stale, lambda: cachepy.plot_cache_graph, lambda: __import__("dask_plugin")):
    try:
        ask()
    except ImportError as error:
        assert "cachepy was moved, upgraded or closed while this process ran" in str(error), error
    else:
        raise AssertionError
assert not hasattr(__builtins__, "MIXED")
"""
    run(place, program.replace(', lambda: __import__("dask_plugin")', ""))


def test_all_that_calls_may_load_is_in_preload() -> None:
    """What modules on the path of a call import inside of functions, followed through."""
    named = Project(ROOT).run("-c", "import cachepy.preload, sys; print(*sys.modules)").stdout.split()
    libraries = {"numpy", "pandas", "pyarrow", "polars", "sqlalchemy", "torch", "xarray"}  # by whoever has their values
    not_for_calls = re.compile(r"cachepy\.(views|maintain|staleness|cli|store\.inventory)")
    missing = set()
    for name in [n for n in named if n.startswith("cachepy.") and n not in ("cachepy.preload", "cachepy.staleness.api")]:
        path = ROOT / (name.replace(".", "/") + ".py")
        for node in ast.walk(without_typing(ast.parse(path.read_text()))) if path.exists() else ():
            if isinstance(node, ast.Import):
                missing |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                missing.add(node.module or "")
    missing = {n for n in missing - set(named) if n.partition(".")[0] not in libraries and not not_for_calls.match(n)}
    assert missing - {"psutil"} == set()


def without_typing(tree: ast.Module) -> ast.Module:
    tree.body = [node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")]
    return tree


# -- another user, another root

LEFT = {
    "user": "os.setgid(65534); os.setuid(65534)",
    "effective user": "os.seteuid(65534)",
    "root": "os.mkdir('jail'); os.chroot('jail'); os.chdir('/')",
    "user in a child": "pid = os.fork()\nif pid: sys.exit(os.waitpid(pid, 0)[1])\nos.setuid(65534)",
}


@pytest.mark.root
@pytest.mark.parametrize("before", ["", "top(3)", "import cachepy.preload"])
@pytest.mark.parametrize("how", LEFT)
def test_a_process_that_leaves_its_user_or_root(place: Path, how: str, before: str) -> None:
    """The folder of the program is closed to anybody else: neither the packages nor Python's own files may be read."""
    (place.parent).chmod(0o700)
    program = f"""
reads = lambda name: "text"
{before}
{LEFT[how]}
everything()
assert {{kind for kind, _ in heard}} <= {{"UncachedCallWarning", "CacheWriteWarning", "CacheReadWarning"}}, heard
assert len(heard) <= 5, heard
assert all("inside cachepy" not in text for _, text in heard), heard
"""
    run(place, program)


# -- Python ends

LAST = """
@cached
def tens(x):
    return x * 10 + 10

@cached
def none(x):
    return None

class Held:
    def __init__(self, *numbers):
        self.numbers = numbers
        self.cached, self.out = (tens, none), os.write
    def __del__(self):
        got = [f(n) for f in self.cached for n in self.numbers]
        self.out(1, f"{got}\\n".encode())
"""


@pytest.mark.parametrize("before", ["", "[f(3) for f in (tens, none) for _ in range(3)]", "tens(3)", "import cachepy.preload"])
@pytest.mark.parametrize("where", ["held = Held(3, 4)", "held = Held(3, 4); held.me = held", "threading.held = Held(3, 4)", "sys.held = Held(3, 4)", "import builtins; builtins.held = Held(3, 4)"])
def test_in_a_finalizer_at_the_end(place: Path, before: str, where: str) -> None:
    program = f"{LAST}\n{before}\n{where}\n"
    assert run(place, program, may_say="tens runs without the cache: Python is shutting down") == "[40, 50, None, None]\n"


@pytest.mark.parametrize(
    "last",
    [
        "import atexit; atexit.register(lambda: print(top(3), top(4)))",
        "threading.Thread(target=lambda: (threading.main_thread().join(), print(top(3), top(4)))).start()",
        "import weakref\nclass C: pass\nc = C(); weakref.finalize(c, lambda: print(top(3), top(4)))",
    ],
)  # fmt: skip
def test_after_the_program_s_own_end(place: Path, last: str) -> None:
    assert run(place, last) == "40 50\n"
    assert run(place, "assert top.is_cached(3) and top.is_cached(4)") == ""


# -- the folder is gone

GONE = """
os.makedirs(HERE + "/scratch"); os.chdir(HERE + "/scratch")
default, relative = cache_file(), cache_file("results")

@default
def one(x):
    return [x]

@relative
def two(x):
    return {"x": x}

@cached
def three(x):
    return one(x) + [two(x)]
"""


@pytest.mark.parametrize("when", ["before decorating", "before the first call", "between calls", "in the body"])
def test_the_working_directory_is_deleted(place: Path, when: str) -> None:
    away = "shutil.rmtree(os.getcwd())"
    made = GONE.replace("\ndefault,", f"\n{away if when == 'before decorating' else ''}\ndefault,")
    first = "one(1), two(1), three(1)" if when == "between calls" else ""
    if when == "in the body":
        first = f"inside = cached(lambda: ({away}, one(5), two(5)))\ninside()"
        away = ""
    if when == "before decorating":
        away = ""
    program = f"""
{made}
{first}
{away}
for _ in range(2):
    assert one(1) == [1] and two(2) == {{"x": 2}} and three(3) == [3, {{"x": 3}}] and leaf(4) == 5
    assert one("data.txt") == ["data.txt"] and top(2) == 30
assert len(heard) <= 3 and all(c in ("UncachedCallWarning", "CacheWriteWarning", "CacheReadWarning") for c, _ in heard), heard
assert all("inside cachepy" not in text for _, text in heard), heard
os.chdir(HERE)
assert one(1) == [1] and two(2) == {{"x": 2}}
"""
    run(place, program)

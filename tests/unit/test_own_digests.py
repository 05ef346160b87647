"""Own digests: what the user's functions say stands for a value, by parameter, by type, for a whole program."""

from __future__ import annotations

import threading
import warnings

import cloudpickle
import pytest

from cachepy import cache_file, cache_tree_nodes, register_digest
from cachepy.errors import UsageError, UsageValueError
from cachepy.session import Session, use_session
from cachepy.values.references import REGISTERED


class Model:
    """Has a part without a digest, and one that does not count."""

    def __init__(self, name, size=0):
        self.name, self.size, self.lock = name, size, threading.Lock()


class Large(Model):
    pass


class Said(Model):
    def __cachepy_digest__(self):
        return self.size


SAID = Said("said")


def name_of(model):
    return model.name


def size_of(model):
    return model.size


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = dict(REGISTERED)
    with use_session(Session()), warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*caching makes it slower")
        yield
    REGISTERED.clear()
    REGISTERED.update(before)


def counting(**options):
    """A cached function of a model, and how often it ran."""
    ran = []

    @cache_file("cache", ignore_globals=["ran"], **options)
    def train(model, steps=1):
        ran.append(steps)
        return steps + 1

    return train, ran


# ---------------------------------------------------------------- the decorator


@pytest.mark.parametrize("what", ["model", Model])
@pytest.mark.parametrize("fn", [name_of, lambda m: m.name])
def test_only_what_the_function_gives_counts(what, fn):
    train, ran = counting(digest={what: fn})
    for _ in range(4):
        assert train(Model("a", 1)) == 2
        assert train(Model("a", 2)) == 2  # hot too
    assert ran == [1]
    assert train(Model("b", 1)) == 2 and train(Model("a"), 5) == 6
    assert ran == [1, 1, 5]
    assert train.is_cached(Model("b"), steps=1) and not train.is_cached(Model("c"))


def test_a_name_and_a_text_are_two_calls_though_both_give_one_text():
    train, _ = counting(digest={"model": lambda m: m if isinstance(m, str) else m.name})
    other, _ = counting()
    for _ in range(4):
        train("a")
    assert train.key("a") == train.key(Model("a"))  # the function says so
    assert train.key("a") != train.key("b")
    assert other.key("a") != train.key("a")


def test_a_type_counts_so_inside_containers_and_for_derived_classes():
    train, ran = counting(digest={Model: name_of})
    train([Model("a", 1), {"x": Large("b", 1)}])
    train([Model("a", 2), {"x": Large("b", 2)}])
    assert ran == [1]
    train([Model("a", 2), {"x": Model("b", 2)}])  # of another class
    assert ran == [1, 1]


def test_the_nearest_base_says_it():
    key = counting(digest={Model: name_of, Large: size_of})[0].key
    assert key(Large("a", 1)) == key(Large("b", 1)) != key(Large("b", 2))
    assert key(Model("a", 1)) == key(Model("a", 2))
    key = counting(digest={Model: name_of})[0].key
    assert key(Said("a", 1)) == key(Said("b", 1)) != key(Said("b", 2))  # its own
    key = counting(digest={Said: name_of})[0].key
    assert key(Said("a", 1)) == key(Said("a", 2)) != key(Said("b", 2))


def test_rest_and_more():
    @cache_file("cache", digest={"models": name_of, "named": name_of, "plain": str})
    def train(*models, **named):
        return 1

    assert train.key(Model("a", 1), Model("b", 2), x=Model("c", 3)) == train.key(Model("a"), Model("b"), x=Model("c"))
    assert train.key(Model("a"), Model("b")) != train.key(Model("b"), Model("a"))
    assert train.key(plain=1) == train.key(plain="1") != train.key(plain="2")


def test_what_is_given_is_digested_as_a_value(tmp_path):
    (tmp_path / "weights").write_text("one")
    train, ran = counting(digest={"model": lambda m: [m.name, tmp_path / "weights"]})
    train(Model("a"))
    (tmp_path / "weights").write_text("other")
    train(Model("a"))
    assert ran == [1, 1]  # a path that it names counts by the content


def test_labels_say_what_counts():
    train, _ = counting(digest={"model": name_of})
    train(Model("resnet"))
    assert [node["label"] for node in cache_tree_nodes().values()] == [{"model": "'resnet'", "steps": "1"}]


def test_functions_that_say_nothing_have_the_keys_that_they_had():
    def body(x, y=(1, 2)):
        return x

    plain, own = cache_file("cache")(body), cache_file("cache", digest={})(body)
    for x in (1, "a", [1, 2], {"a": {1, 2}}, name_of):
        assert plain.key(x) == own.key(x)
    assert plain.__cachepy__.options.declared() == own.__cachepy__.options.declared()


def test_it_travels(tmp_path):
    train, _ = counting(digest={"model": lambda m: m.name, Model: name_of})
    again = cloudpickle.loads(cloudpickle.dumps(train))
    assert again.key(Model("a", 1)) == train.key(Model("a", 2))


@pytest.mark.parametrize(
    "given", [[("model", name_of)], {"model": "name"}, {3: name_of}, {str: name_of}, {dict: name_of}, {object: name_of}]
)
def test_what_it_cannot_be(given):
    with pytest.raises(UsageError, match="digest"):
        cache_file("cache", digest=given)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"digest": {"modle": name_of}}, "names no parameter of .*train; it has model, steps"),
        ({"digest": {"model": name_of}, "ignore_args": ["model"]}, "is in ignore_args too"),
        ({"digest": {"model": name_of}, "changes": ["model"]}, "is in changes too"),
    ],
)
def test_parameters_that_cannot_have_one(options, words):
    with pytest.raises(UsageValueError, match=words):
        counting(**options)


def raises(model):
    return model.nothing


@pytest.mark.parametrize(("what", "said"), [("model", "the parameter 'model' of .*train"), (Model, "the type .*Model")])
def test_an_error_in_it_is_the_users(what, said):
    train, ran = counting(digest={what: raises})
    words = f"digest function .*:raises for {said} raised AttributeError: .*nothing"
    for ask in (train, train.key, train.explain, train.is_cached):
        with pytest.raises(UsageError, match=words) as caught:
            ask(Model("a") if what == "model" else [Model("a")] * 100)
        assert isinstance(caught.value.__cause__, AttributeError)
    assert ran == []


# ---------------------------------------------------------------- a program


def test_a_registered_type_counts_so_everywhere():
    @register_digest(Model)
    def registered(model):
        return model.name

    train, ran = counting()
    train({"m": Model("a", 1)})
    train({"m": Model("a", 2)})
    assert ran == [1]
    assert registered(Model("a")) == "a"


def test_a_registration_counts_from_then_on():
    train, _ = counting()
    before = train.key(Said("a", 1))
    assert before != train.key(Said("a", 2))
    register_digest(Said)(name_of)
    assert train.key(Said("a", 1)) == train.key(Said("a", 2)) != before
    register_digest(Said)(size_of)
    assert train.key(Said("a", 1)) != train.key(Said("a", 2))


@pytest.mark.parametrize("cls", [int, str, list, dict, set, type(None), "Model", object])
def test_what_cannot_be_registered(cls):
    with pytest.raises(UsageError, match="register_digest"):
        register_digest(cls)
    with pytest.raises(UsageError, match="takes a function"):
        register_digest(Model)("name")


def test_a_text_of_ones_own_class_can_be_registered():
    class Name(str):
        __slots__ = ()

    register_digest(Name)(str.lower)
    train, _ = counting()
    assert train.key(Name("A")) == train.key(Name("a")) != train.key("a")
    assert train.key([Name("A")]) == train.key([Name("a")])


def test_an_error_for_a_result_is_the_users():
    register_digest(Said)(raises)

    @cache_file("cache")
    def make():
        return Said.__new__(Said)

    with pytest.raises(UsageError, match=r"digest function .*raises for the type"):
        make()
    assert not make.is_cached()


def test_an_error_for_a_global_is_the_users():
    register_digest(Said)(raises)

    @cache_file("cache")
    def by_global():
        return SAID.size

    with pytest.raises(UsageError, match=r"digest function .*raises for the type"):
        by_global()


# ---------------------------------------------------------------- programs

LIBRARY = """
    from cachepy import cache_file, register_digest

    class Model:
        def __init__(self, name, size):
            self.name, self.size = name, size

    REGISTER
    def what_counts(model):
        return model.name

    GLOBAL = Model("g", 1)

    @cache_file("cache"OPTION)
    def train(model):
        print("train")
        return model.name

    @cache_file("cache")
    def by_global():
        print("by_global")
        return GLOBAL.name

    @cache_file("cache")
    def make(size):
        print("make", size)
        return Model("m", size)

    @cache_file("cache")
    def takes(model):
        print("takes")
        return 1
    """
MAIN = """
    from library import Model, train, by_global, make, takes

    train(Model("a", 1))
    by_global()
    takes(make(1))
    """


@pytest.mark.parametrize(
    ("register", "option"),
    [("@register_digest(Model)", ""), ("", ', digest={"model": what_counts}'), ("", ", digest={Model: what_counts}")],
)
def test_an_edit_of_the_function_makes_stale(project, register, option):
    text = LIBRARY.replace("REGISTER", register or "#").replace("OPTION", option)
    project.write("library.py", text)
    project.write("main.py", MAIN)
    assert project.run("main.py").stdout.split("\n")[:3] == ["train", "by_global", "make 1"]
    assert project.run("main.py").stdout == ""
    project.edit("library.py", "return model.name\n\nGLOBAL", "return model.name + str()\n\nGLOBAL")
    answer = project.cachepy("status", "--cache-dir", "cache")
    assert answer.returncode in (1, 3), answer.stdout
    assert "train" in project.run("main.py").stdout.split()
    assert project.run("main.py").stdout == ""
    assert project.cachepy("status", "--cache-dir", "cache").returncode == 0


def test_results_and_globals_of_a_registered_type(project):
    text = LIBRARY.replace("REGISTER", "@register_digest(Model)").replace("OPTION", "")
    project.write("library.py", text)
    project.write("main.py", MAIN)
    project.run("main.py")
    project.edit("library.py", 'Model("g", 1)', 'Model("g", 2)')  # what does not count
    assert project.run("main.py").stdout == ""
    project.edit("main.py", "make(1)", "make(2)")
    assert project.run("main.py").stdout.split("\n")[:-1] == ["make 2"]
    project.edit("library.py", 'Model("g", 2)', 'Model("h", 2)')
    assert project.run("main.py").stdout.split() == ["by_global"]


def test_hits_without_it_load_nothing_for_it(project):
    project.write("main.py", """
        import sys
        from cachepy import cache_file

        class Plain:
            pass

        @cache_file("cache")
        def load(x):
            return x

        load(1), load(1), load([Plain()]), load([Plain()])
        print([name for name in sys.modules if "own_digest" in name or "digest_option" in name])
        """)
    for _ in range(2):
        assert project.run("main.py").stdout.strip() == "[]"

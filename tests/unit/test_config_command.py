"""`cachepy config`, what a file may say that was only found, and what is said of options that do not exist."""

from __future__ import annotations

import os

import pytest

from cachepy import UsageError, cache_file, load_config
from cachepy.calls import config
from cachepy.calls.option_words import WORDS
from cachepy.calls.options import NAMES
from tests.programs import Project


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path, HOME=str(tmp_path))


def options(project, *words, **env):
    found = project.cachepy("config", "--json", *words, code=0, **env).json()
    return found, {each["option"]: (each["value"], each["source"]) for each in found["options"]}


def test_every_option_is_shown_with_its_default(project):
    found, shown = options(project)
    assert tuple(shown) == NAMES
    assert found["file"] is None and found["environment"] == {"CACHEPY_IGNORE_ENV": found["environment"]["CACHEPY_IGNORE_ENV"]}
    assert {source for _, source in shown.values()} == {"default"}
    assert shown["cache_dir"][0] == str(project / ".cachepy")
    assert (shown["keep"][0], shown["env_vars"][0], shown["unseen"][0]) == (16, [], "warn")


@pytest.mark.parametrize("name", ["cachepy.toml", "pyproject.toml", "cachepy.yaml"])
def test_a_file_is_named_where_it_says_something(project, name):
    texts = {
        "cachepy.toml": 'cache_dir = "store"\nkeep = 3\n',
        "pyproject.toml": '[tool.cachepy]\ncache_dir = "store"\nkeep = 3\n',
        "cachepy.yaml": "cache_dir: store\nkeep: 3\n",
    }
    path = project.write(name, texts[name])
    (project / "below").mkdir()
    found, shown = options(project, "-C", "below")
    assert found["file"] == str(path)
    assert shown["cache_dir"] == (str(project / "store"), f"file {path}")
    assert shown["keep"] == (3, f"file {path}")
    assert shown["verbose"] == (False, "default")


def test_an_environment_variable_is_stronger_than_a_file(project, monkeypatch):
    """In the program too, and no decorator has to know of it."""
    project.write("cachepy.toml", 'cache_dir = "store"\nkeep = 3\nmax_bytes = "1 GB"\n')
    _, shown = options(project, CACHEPY_DIR="elsewhere", CACHEPY_MAX_BYTES="")
    assert shown["cache_dir"] == (str(project / "elsewhere"), "environment variable CACHEPY_DIR")
    assert shown["max_bytes"] == ("1 GB", f"file {project / 'cachepy.toml'}")
    monkeypatch.chdir(project / ".")
    monkeypatch.setenv("CACHEPY_DIR", "elsewhere")
    assert load_config() == {"keep": 3, "max_bytes": "1 GB"}
    assert cache_file(**load_config())(lambda x: x).__cachepy__.options.root() == str(project / "elsewhere")


def test_environment_variables_are_named_and_keys_are_hidden(project):
    env = {
        "CACHEPY_DIR": "there", "CACHEPY_MAX_BYTES": "2 GB", "CACHEPY_TRUSTED_OWNERS": "root", "CACHEPY_UMASK": "007",
        "CACHEPY_SIGNING_KEY": "a key that nobody knows", "CACHEPY": "readonly",
    }  # fmt: skip
    found, shown = options(project, **env)
    assert shown["cache_dir"] == (str(project / "there"), "environment variable CACHEPY_DIR")
    assert shown["max_bytes"] == ("2 GB", "environment variable CACHEPY_MAX_BYTES")
    assert shown["trusted_owners"] == (["root"], "environment variable CACHEPY_TRUSTED_OWNERS")
    assert shown["signing_key"] == ("(hidden)", "environment variable CACHEPY_SIGNING_KEY")
    assert found["environment"]["CACHEPY"] == "readonly"
    text = project.cachepy("config", code=0, **env)
    assert "nobody knows" not in text.stdout + text.stderr + str(found)
    assert any(line.split() == ["CACHEPY", "readonly", "environment"] for line in text.lines)


def test_the_text_leaves_out_defaults(project):
    project.write("cachepy.toml", "keep = 3\n")
    lines = project.cachepy("config", code=0, CACHEPY_IGNORE_ENV=None).lines
    assert [line.split()[0] for line in lines] == ["cache_dir", "keep"]
    assert lines[1].split() == ["keep", "3", "file", "cachepy.toml"]
    assert [line.split()[0] for line in project.cachepy("config", "--all", code=0, CACHEPY_IGNORE_ENV=None).lines] == [*NAMES]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("keeep = 3", "did you mean `keep=`?"),
        ('ignore = ["x"]', "`ignore=` is `ignore_args=` here"),
        ("keep = 0", "keep must be 1 or more"),
        ("keep = ", "cannot be parsed"),
    ],
)
def test_what_is_wrong_in_a_file_is_told(project, text, told):
    project.write("cachepy.toml", text)
    done = project.cachepy("config", code=2)
    assert told in done.stderr


# ---------------------------------------------------------------- what a file may say


@pytest.mark.parametrize("line", ['trusted_owners = ["*"]', 'signing_key = "@/home/ann/key"'])
def test_a_file_that_was_only_found_does_not_say_whose_code_may_run(line, project, monkeypatch):
    path = project.write("cachepy.toml", line)
    monkeypatch.chdir(project.folder)
    option = line.partition(" ")[0]
    with pytest.raises(UsageError, match=f"was not named, so it cannot say {option}: .*Set CACHEPY_"):
        load_config()
    assert option in load_config(path), "who names a file means it"
    assert f"cannot say {option}" in project.cachepy("config", code=2).stderr


def test_a_file_of_another_user_is_not_used_unless_it_is_named(project, monkeypatch):
    path = project.write("cachepy.toml", "keep = 3")
    monkeypatch.chdir(project.folder)
    assert load_config() == {"keep": 3}
    if os.geteuid() == 0:
        os.chown(path, 4711, -1)
    else:
        monkeypatch.setattr(config.os, "geteuid", lambda: 4711)
    with pytest.raises(UsageError, match=r"belongs to .*, so it is not used; name it, by load_config"):
        load_config()
    assert load_config(path) == {"keep": 3}


def test_yaml_makes_no_objects(project, monkeypatch):
    project.write("cachepy.yaml", "version: !!python/object/apply:os.system ['touch ran']\n")
    monkeypatch.chdir(project.folder)
    with pytest.raises(UsageError, match="cannot be parsed"):
        load_config()
    assert not (project / "ran").exists()


# ---------------------------------------------------------------- options that do not exist


@pytest.mark.parametrize(("tool", "word"), [(tool, word) for tool, words in WORDS.items() for word in words])
def test_the_words_of_other_tools_are_told(tool, word):
    with pytest.raises(UsageError) as raised:
        cache_file("cache", **{word: 1})
    text = str(raised.value)
    assert text.startswith(f"cache_file() takes no option {word!r}: `{word}=` {WORDS[tool][word]}. It takes cache_dir, ")
    assert word not in NAMES


def test_the_words_name_options_that_there_are():
    from re import findall

    named = {option for words in WORDS.values() for text in words.values() for option in findall(r"`?(\w+)=", text)}
    assert named - {"CACHEPY", "_force"} <= {*NAMES}


def test_a_word_is_told_once():
    words = [word for words in WORDS.values() for word in words]
    assert len(words) == len(set(words))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("verbos", "did you mean `verbose=`?"),
        ("env_var", "did you mean `env_vars=`?"),
        ("ignore_arg", "did you mean `ignore_args=`?"),
    ],
)
def test_near_misses(given, told):
    with pytest.raises(UsageError) as raised:
        cache_file("cache", **{given: 1})
    assert told in str(raised.value)


def test_a_word_like_none_lists_all():
    with pytest.raises(UsageError, match="takes no option 'zzz'; it takes cache_dir"):
        cache_file("cache", zzz=1)

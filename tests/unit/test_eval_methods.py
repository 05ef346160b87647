"""``model.eval()`` runs no text: a method of that name that takes nothing brings no names of the module along."""

from __future__ import annotations

import pytest

TEXT = """
from cachepy import cache_file

class Model:
    def eval(self, text=None):
        return 1 if text is None else eval(text)
    exec = eval

UNRELATED = 1

@cache_file("cache", warn_cheap=False)
def used(n):
    print("ran")
    model = Model()
    return {call}

print(used(1))
"""


@pytest.mark.parametrize(
    ("call", "is_seen"),
    [
        ("model.exec()", False),
        ("model.exec().real", False),
        ("[model.exec() for _ in range(2)]", False),
        ("model.exec('UNRELATED')", True),
        ("model.exec(text='UNRELATED')", True),
        ("(lambda run: run('UNRELATED'))(model.exec)", True),
        ("model.exec(*['UNRELATED'])", True),
        ("model.exec(**{'text': 'UNRELATED'})", True),
    ],
)
def test_only_what_takes_a_text_may_read_any_name(project, call, is_seen):
    text = TEXT.format(call=call).replace("else eval(text)", "else globals()[text]")
    text = text if is_seen else text.replace("globals()[text]", "2")
    project.write("program.py", text)
    project.run("program.py")
    project.write("program.py", text.replace("UNRELATED = 1", "UNRELATED = 5"))
    assert project.run("program.py").stdout.startswith("ran") == is_seen

"""Edits of classes: methods, attributes, bases, and what makes them."""

from __future__ import annotations

from tests.table.code_edits import HELPER, edited
from tests.table.harness import (
    Case,
    module,
    sub,
)

CLASSES = [
    edited(
        "method",
        """
        class C:
            def go(self, x):
                return x + 1
        """,
        "C().go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "method called by a method",
        """
        class C:
            def go(self, x):
                return self.step(x)

            def step(self, x):
                return x + 1
        """,
        "C().go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "helper called by a method",
        HELPER
        + """
    class C:
        def go(self, x):
            return h(x)
        """,
        "C().go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "base-class method",
        """
        class Base:
            def go(self, x):
                return x + 1

        class C(Base):
            pass
        """,
        "C().go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "base class in another module",
        "from base import Base\n\nclass C(Base):\n    pass\n",
        "C().go(x)",
        sub("x + 1 => x + 2", "base.py"),
        base="class Base:\n    def go(self, x):\n        return x + 1\n",
    ),
    edited(
        "mixin method",
        """
        class Mixin:
            def extra(self):
                return 1

        class Base:
            def go(self, x):
                return x + self.extra()

        class C(Mixin, Base):
            pass
        """,
        "C().go(x)",
        "return 1 => return 2",
    ),
    edited(
        "order of the bases",
        """
        class A:
            name = "a"

        class B:
            name = "b"

        class C(A, B):
            pass
        """,
        "C().name",
        "C(A, B) => C(B, A)",
    ),
    edited(
        "override added",
        """
        class Base:
            def go(self, x):
                return x + 1

        class C(Base):
            here = 1
        """,
        "C().go(x)",
        "here = 1 => go = lambda self, x: x + 2",
    ),
    edited(
        "property",
        """
        class C:
            @property
            def size(self):
                return 1
        """,
        "C().size + x",
        "return 1 => return 2",
    ),
    edited(
        "cached_property",
        """
        import functools

        class C:
            @functools.cached_property
            def size(self):
                return 1
        """,
        "C().size + x",
        "return 1 => return 2",
    ),
    edited("class attribute", "class C:\n    size = 1\n", "C.size + x", "size = 1 => size = 2"),
    edited(
        "class attribute of a base class",
        "class Base:\n    size = 1\n\nclass C(Base):\n    pass\n",
        "C().size + x",
        "size = 1 => size = 2",
    ),
    edited(
        "staticmethod",
        """
        class C:
            @staticmethod
            def go(x):
                return x + 1
        """,
        "C.go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "classmethod",
        """
        class C:
            @classmethod
            def go(cls, x):
                return x + 1
        """,
        "C.go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "super() call",
        """
        class Base:
            def go(self, x):
                return x + 1

        class C(Base):
            def go(self, x):
                return super().go(x) * 10
        """,
        "C().go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "operator method",
        """
        class C:
            def __init__(self, n):
                self.n = n

            def __add__(self, other):
                return self.n + other
        """,
        "C(1) + x",
        "self.n + other => self.n - other",
    ),
    edited(
        "__call__ of a global object",
        """
        class C:
            def __call__(self, x):
                return x + 1

        go = C()
        """,
        "go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "method of a global object, taken bound",
        """
        class C:
            def go(self, x):
                return x + 1

        go = C().go
        """,
        "go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "metaclass method",
        """
        class Meta(type):
            def make(cls, x):
                return x + 1

        class C(metaclass=Meta):
            pass
        """,
        "C.make(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "descriptor",
        """
        class Size:
            def __get__(self, instance, owner):
                return 1

        class C:
            size = Size()
        """,
        "C().size + x",
        "return 1 => return 2",
    ),
    edited(
        "nested class",
        """
        class C:
            class Inner:
                def go(self, x):
                    return x + 1
        """,
        "C.Inner().go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "default of a dataclass field",
        """
        from dataclasses import dataclass

        @dataclass
        class C:
            n: int = 1
        """,
        "C().n + x",
        "n: int = 1 => n: int = 2",
    ),
    edited(
        "value of an enum member",
        """
        import enum

        class Colour(enum.Enum):
            RED = 1
            BLUE = 3
        """,
        "Colour.RED.value + x",
        "RED = 1 => RED = 2",
    ),
    edited(
        "method of an enum",
        """
        import enum

        class Colour(enum.Enum):
            RED = 1

            def go(self, x):
                return x + 1
        """,
        "Colour.RED.go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "dict of classes",
        """
        class A:
            def go(self, x):
                return x + 1

        class B:
            def go(self, x):
                return x + 10

        KINDS = {"a": A, "b": B}
        """,
        "KINDS['b']().go(x)",
        "x + 10 => x + 20",
    ),
    Case(
        "helper of a cached method",
        {
            "m.py": module(
                HELPER,
                """
class C:
    @cache_file(DIR)
    def f(self, x):
        ran("f")
        return self.go(x)

    def go(self, x):
        return h(x)
""",
            )
        },
        "x + 1 => x + 2",
        "f",
        "m.C().f(3)",
    ),
    Case(
        "helper of a cached classmethod",
        {
            "m.py": """
            class C:
                @classmethod
                @cache_file(DIR)
                def f(cls, x):
                    ran("f")
                    return cls.go(x)

                @classmethod
                def go(cls, x):
                    return x + 1
            """
        },
        "x + 1 => x + 2",
        "f",
        "m.C.f(3)",
    ),
    Case(
        "helper of a cached staticmethod",
        {
            "m.py": module(
                HELPER,
                """
class C:
    @staticmethod
    @cache_file(DIR)
    def f(x):
        ran("f")
        return h(x)
""",
            )
        },
        "x + 1 => x + 2",
        "f",
        "m.C.f(3)",
    ),
    Case(
        "state of the object of a cached method",
        {
            "m.py": """
            class C:
                def __init__(self, n):
                    self.n = n

                @cache_file(DIR)
                def f(self, x):
                    ran("f")
                    return self.n + x

            c = C(1)
            """
        },
        "C(1) => C(2)",
        "f",
        "m.c.f(3)",
    ),
    Case(
        "helper of a cached async function",
        {
            "m.py": module(
                HELPER,
                """
@cache_file(DIR)
async def f(x):
    ran("f")
    return h(x)
""",
            )
        },
        "x + 1 => x + 2",
        "f",
        "asyncio.run(m.f(3))",
        "import asyncio\nimport m",
    ),
]

CASES: list[Case] = CLASSES

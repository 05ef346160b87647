"""Random modules of functions that are found in many ways, and edits of them, for `observe_code="exact"`.

A `Drawn` module has leaves (functions of one constant), and ways to them: tables, classes, wrappers, memos, defaults,
flags. What a body runs goes by its argument, so that an edit concerns some calls only.
"""

from __future__ import annotations

from random import Random

HEAD = """
import functools, operator, threading
from {cached_from} import cached
"""
WAYS = (
    "table", "classes", "wrapper", "memo", "default", "flag", "getattr", "partial", "registry", "iterated", "thread",
    "generator", "lambda", "property", "dispatch", "sortkey", "local", "chain", "try", "child", "passed", "lazy",
    "instance", "closure", "caller", "static", "text", "hook", "compare", "count", "signature", "named", "truth",
)  # fmt: skip


class Drawn:
    """One module; what edits change is in `consts`, `bound`, `tables`, `overrides`, `flags`, `defaults`."""

    def __init__(self, random: Random) -> None:
        self.leaves = random.randint(5, 9)
        self.ways = random.sample(WAYS, random.randint(4, 7))
        self.consts = [random.randint(0, 9) for _ in range(self.leaves)]
        self.next: list[int | None] = [
            random.choice([None, None, *range(i)]) if i else None for i in range(self.leaves)
        ]
        self.tables = {way: [random.randrange(self.leaves) for _ in range(4)] for way in WAYS}
        self.defaults = {way: random.randint(1, 3) for way in WAYS}
        self.overrides = {way: random.random() < 0.5 for way in WAYS}
        self.flags = {way: random.random() < 0.5 for way in WAYS}
        self.picks = {way: [random.randrange(4) for _ in range(3)] for way in WAYS}

    def edit(self, random: Random) -> str:
        """Change one thing."""
        what = random.choice(["const"] * 6 + ["table", "next", "default", "override", "flag", "pick"])
        way = random.choice(self.ways)
        if what == "const":
            self.consts[random.randrange(self.leaves)] += random.choice([1, 10])
        elif what == "table":
            self.tables[way][random.randrange(4)] = random.randrange(self.leaves)
        elif what == "next":
            i = random.randrange(1, self.leaves)
            self.next[i] = random.choice([None, *range(i)])
        elif what == "default":
            self.defaults[way] = random.randint(1, 3)
        elif what == "override":
            self.overrides[way] = not self.overrides[way]
        elif what == "flag":
            self.flags[way] = not self.flags[way]
        else:
            self.picks[way][random.randrange(3)] = random.randrange(4)
        return f"{what} {way}"

    def text(self, cached_from: str) -> str:
        """The module as it is now."""
        lines = [HEAD.format(cached_from=cached_from)]
        for i in range(self.leaves):
            more = f" + leaf{self.next[i]}(x)" if self.next[i] is not None else ""
            lines.append(f"def leaf{i}(x):\n    return x * 3 + {self.consts[i]}{more}\n")
        for way in self.ways:
            lines.append(getattr(self, f"_{way}")())
            lines.append(f"@cached\ndef f_{way}(k, x):\n    return body_{way}(k, x)\n")
        return "\n".join(lines)

    def calls(self) -> list[tuple[str, int, int]]:
        """What a program calls: function, which way it takes, a number."""
        return [(f"f_{way}", k, 1) for way in self.ways for k in range(3)]

    def _row(self, way: str) -> str:
        return ", ".join(f"leaf{i}" for i in self.tables[way])

    def _table(self) -> str:
        return (f"T_table = [{self._row('table')}]\nP_table = {self.picks['table']}\n"
                "def body_table(k, x):\n    return T_table[P_table[k]](x)\n")  # fmt: skip

    def _classes(self) -> str:
        a, b, c, d = self.tables["classes"]
        over = f"    def run(self, x):\n        return leaf{c}(x) + 5\n" if self.overrides["classes"] else ""
        base = "K0" if self.flags["classes"] else "K1"
        return (
            f"class K0:\n    def run(self, x):\n        return self.step(x)\n    def step(self, x):\n        return leaf{a}(x)\n"
            f"class K1(K0):\n    def step(self, x):\n        return leaf{b}(x)\n"
            f"class K2({base}):\n    def other(self, x):\n        return leaf{d}(x)\n{over}"
            "def body_classes(k, x):\n    return [K0, K1, K2][k]().run(x)\n"
        )

    def _wrapper(self) -> str:
        a, b, c, _ = self.tables["wrapper"]
        plain = "fn" if self.flags["wrapper"] else "w"
        return (
            f"def deco(fn):\n    @functools.wraps(fn)\n    def w(x):\n        return fn(x) + {self.defaults['wrapper']}\n    return {plain}\n"
            f"@deco\ndef wa(x):\n    return leaf{a}(x)\n@deco\ndef wb(x):\n    return leaf{b}(x)\ndef wc(x):\n    return leaf{c}(x)\n"
            "def body_wrapper(k, x):\n    return wa(x) if k == 0 else wb(x) if k == 1 else wc.__get__(x)()\n"
        )

    def _memo(self) -> str:
        a, b, *_ = self.tables["memo"]
        return (
            f"@functools.lru_cache\ndef remembered(x):\n    return deep(x)\ndef deep(x):\n    return leaf{a}(x)\n"
            f"def body_memo(k, x):\n    if k == 1:\n        return leaf{b}(x)\n    return remembered(x) + k\n"
        )

    def _default(self) -> str:
        a, b, c, _ = self.tables["default"]
        bound = f"leaf{b}" if self.flags["default"] else f"leaf{c}"
        return (
            f"def given(x, by={bound}, n={self.defaults['default']}):\n    return by(x) * n\n"
            f"def not_given(x, by=leaf{a}):\n    return by(x)\n"
            "def body_default(k, x):\n    if k == 0:\n        return given(x)\n    if k == 1:\n        return not_given(x)\n"
            "    return not_given.__class__ is given.__class__\n"
        )

    def _flag(self) -> str:
        a, b, c, d = self.tables["flag"]
        return (
            f"FLAG = {self.flags['flag']}\nLIMIT = {self.defaults['flag']}\n"
            f"def on(x):\n    return leaf{a}(x)\ndef off(x):\n    return leaf{b}(x) + LIMIT\n"
            f"def body_flag(k, x):\n    if k == 0:\n        return on(x) if FLAG else off(x)\n"
            f"    return leaf{c}(x) if k > LIMIT else leaf{d}(x)\n"
        )

    def _getattr(self) -> str:
        names = [f"leaf{i}" for i in self.tables["getattr"]]
        return (f"NAMES = {names}\nHOME = __import__('sys').modules[__name__]\n"
                "def body_getattr(k, x):\n    return getattr(HOME, NAMES[k])(x)\n")  # fmt: skip

    def _partial(self) -> str:
        a, b, c, _ = self.tables["partial"]
        return (
            f"def adds(fn, n, x):\n    return fn(x) + n\nPA = functools.partial(adds, leaf{a}, {self.defaults['partial']})\n"
            f"PB = functools.partial(adds, leaf{b}, 1)\nPC = functools.partial(leaf{c})\n"
            "def body_partial(k, x):\n    return (PA, PB, PC)[k](x)\n"
        )

    def _registry(self) -> str:
        a, b, c, _ = self.tables["registry"]
        third = f"@register('2')\ndef rc(x):\n    return leaf{c}(x)\n" if self.overrides["registry"] else ""
        return (
            "REG = {}\ndef register(name):\n    def put(fn):\n        REG[name] = fn\n        return fn\n    return put\n"
            f"@register('0')\ndef ra(x):\n    return leaf{a}(x)\n@register('1')\ndef rb(x):\n    return leaf{b}(x)\n{third}"
            "def body_registry(k, x):\n    return REG.get(str(k), ra)(x)\n"
        )

    def _iterated(self) -> str:
        more = "" if self.flags["iterated"] else f", leaf{self.tables['iterated'][3]}"
        return (f"ALL = [{self._row('iterated')}{more}]\n"
                "def body_iterated(k, x):\n    return len(ALL) if k == 0 else sum(f(x) for f in ALL[:k])\n")  # fmt: skip

    def _thread(self) -> str:
        return (
            f"T_thread = [{self._row('thread')}]\n"
            "def body_thread(k, x):\n    found = []\n"
            "    thread = threading.Thread(target=lambda: found.append(T_thread[k](x)))\n"
            "    thread.start()\n    thread.join()\n    return found\n"
        )

    def _generator(self) -> str:
        a, b, c, _ = self.tables["generator"]
        return (
            f"def steps(x):\n    try:\n        yield leaf{a}(x)\n        yield leaf{b}(x)\n    except ValueError:\n        yield leaf{c}(x)\n"
            "def body_generator(k, x):\n    it = steps(x)\n    first = next(it)\n    if k == 0:\n        return first\n"
            "    return [first, next(it)] if k == 1 else [first, it.throw(ValueError())]\n"
        )

    def _lambda(self) -> str:
        a, b, c, _ = self.tables["lambda"]
        return (f"LA, LB = (lambda x: leaf{a}(x)), (lambda x: leaf{b}(x) + 1)\nLC = {{'c': lambda x: leaf{c}(x)}}\n"
                "def body_lambda(k, x):\n    return LA(x) if k == 0 else LB(x) if k == 1 else LC['c'](x)\n")  # fmt: skip

    def _property(self) -> str:
        a, b, c, _ = self.tables["property"]
        slot = f"    @functools.cached_property\n    def c(self):\n        return leaf{c}(self.x)\n"
        return (
            f"class Props:\n    def __init__(self, x):\n        self.x = x\n    @property\n    def a(self):\n        return leaf{a}(self.x)\n"
            f"    @property\n    def b(self):\n        return leaf{b}(self.x)\n{slot}"
            "ONE = Props(1)\n"
            "def body_property(k, x):\n    return ONE.c if k == 2 else getattr(Props(x), 'ab'[k])\n"
        )

    def _dispatch(self) -> str:
        a, b, c, _ = self.tables["dispatch"]
        third = f"@by_type.register\ndef _(x: str):\n    return leaf{c}(len(x))\n" if self.flags["dispatch"] else ""
        return (
            f"@functools.singledispatch\ndef by_type(x):\n    return leaf{a}(0)\n@by_type.register(int)\ndef _(x):\n    return leaf{b}(x)\n{third}"
            "def body_dispatch(k, x):\n    return by_type((x, 'text', 2.5)[k])\n"
        )

    def _sortkey(self) -> str:
        a, b, c, _ = self.tables["sortkey"]
        return (
            f"class Item:\n    def __init__(self, v):\n        self.v = v\n    def __lt__(self, other):\n        return leaf{a}(self.v) % 7 < leaf{a}(other.v) % 7\n"
            f"    def __eq__(self, other):\n        return leaf{b}(self.v) == leaf{b}(other.v)\n    def __hash__(self):\n        return leaf{c}(self.v) % 3\n"
            f"def by(v):\n    return -leaf{c}(v) % 5\n"
            "def body_sortkey(k, x):\n    if k == 0:\n        return [i.v for i in sorted(map(Item, range(4)))]\n"
            "    return len({Item(1), Item(2)}) if k == 1 else sorted(range(5), key=by)\n"
        )

    def _local(self) -> str:
        a, b, c, _ = self.tables["local"]
        return (f"def body_local(k, x):\n    def one():\n        return leaf{a}(x)\n    def two():\n        return leaf{b}(x)\n"
                f"    return (one, two, lambda: leaf{c}(x))[k]()\n")  # fmt: skip

    def _chain(self) -> str:
        a, b, *_ = self.tables["chain"]
        return (f"def c1(k, x):\n    return c2(x) if k else leaf{a}(x)\ndef c2(x):\n    return leaf{b}(x)\n"
                "def body_chain(k, x):\n    return c1(k, x)\n")  # fmt: skip

    def _try(self) -> str:
        a, b, *_ = self.tables["try"]
        return (
            f"def may_fail(k, x):\n    if k == 1:\n        raise KeyError(leaf{a}(x))\n    return x\n"
            f"def rescue(error):\n    return leaf{b}(error.args[0])\n"
            "def body_try(k, x):\n    try:\n        return may_fail(k, x)\n    except KeyError as error:\n        return rescue(error)\n"
        )

    def _child(self) -> str:
        a, b, c, _ = self.tables["child"]
        return (
            f"@cached\ndef small(k, x):\n    return leaf{a}(x) % 2 if k == 0 else leaf{b}(x) % 3\n"
            f"def body_child(k, x):\n    return small(k, x) * 100 + (leaf{c}(x) if k == 2 else 0)\n"
        )

    def _passed(self) -> str:
        return (
            f"T_passed = [{self._row('passed')}]\n@cached\ndef applies(fn, x):\n    return fn(x)\n"
            "def body_passed(k, x):\n    return applies(T_passed[k], x)\n"
        )

    def _lazy(self) -> str:
        a, b, *_ = self.tables["lazy"]
        return (
            f"class Lazy:\n    def __init__(self):\n        self.kept = {{}}\n    def __getstate__(self):\n        return None\n"
            f"    def get(self, x):\n        if x not in self.kept:\n            self.kept[x] = leaf{a}(x)\n        return self.kept[x]\n"
            f"LAZY = Lazy()\ndef body_lazy(k, x):\n    return LAZY.get(x) + k if k < 2 else leaf{b}(x)\n"
        )

    def _instance(self) -> str:
        a, b, c, _ = self.tables["instance"]
        return (
            f"class Model:\n    def __init__(self, by):\n        self.by = by\n    def fit(self, x):\n        return self.by(x)\n"
            f"    def __call__(self, x):\n        return leaf{c}(x)\n"
            f"ONES = [Model(leaf{a}), Model(leaf{b}), Model(leaf{c})]\n"
            "def body_instance(k, x):\n    return ONES[k](x) if k == 2 else ONES[k].fit(x)\n"
        )

    def _closure(self) -> str:
        a, b, c, _ = self.tables["closure"]
        return (
            f"def maker(fn, n):\n    def made(x):\n        return fn(x) + n\n    return made\n"
            f"MA, MB = maker(leaf{a}, {self.defaults['closure']}), maker(leaf{b}, 2)\nMC = maker(MA if {self.flags['closure']} else leaf{c}, 3)\n"
            "def body_closure(k, x):\n    return (MA, MB, MC)[k](x)\n"
        )

    def _caller(self) -> str:
        a, b, c, _ = self.tables["caller"]
        return (
            f"class Tools:\n    def a(self, x):\n        return leaf{a}(x)\n    def b(self, x):\n        return leaf{b}(x)\n"
            f"    def c(self, x):\n        return leaf{c}(x)\n"
            "def body_caller(k, x):\n    return operator.methodcaller('abc'[k], x)(Tools())\n"
        )

    def _static(self) -> str:
        a, b, c, _ = self.tables["static"]
        return (
            f"class S:\n    @staticmethod\n    def a(x):\n        return leaf{a}(x)\n    @classmethod\n    def b(cls, x):\n        return leaf{b}(x)\n"
            f"class S2(S):\n    @classmethod\n    def c(cls, x):\n        return cls.b(x) + leaf{c}(x)\n"
            "def body_static(k, x):\n    return (S.a, S2.b, S2.c)[k](x)\n"
        )

    def _text(self) -> str:
        names = [f"leaf{i}" for i in self.tables["text"]]
        return f"TEXTS = {names}\ndef body_text(k, x):\n    return eval(f'{{TEXTS[k]}}({{x}})')\n"

    def _hook(self) -> str:
        a, b, *_ = self.tables["hook"]
        return (
            "HOOKS = {'before': [], 'after': []}\n"
            f"def on_before(x):\n    return leaf{a}(x)\ndef on_after(x):\n    return leaf{b}(x)\n"
            f"HOOKS['before'].append(on_before)\n{'HOOKS[chr(97) + chr(102) + chr(116) + chr(101) + chr(114)].append(on_after)' if self.flags['hook'] else ''}\n"
            "def body_hook(k, x):\n    return [h(x) for h in HOOKS[('before', 'after', 'before')[k]]]\n"
        )

    def _compare(self) -> str:
        a, b, c, d = self.tables["compare"]
        return (f"def body_compare(k, x):\n    return (leaf{a} is leaf{b}, leaf{c} == leaf{d}, leaf{a} in (leaf{c}, leaf{d}))[k]\n")

    def _count(self) -> str:
        more = "" if self.flags["count"] else f"    def extra(self):\n        return leaf{self.tables['count'][0]}(1)\n"
        return (
            f"class Counted:\n    def go(self):\n        return 1\n{more}"
            "def body_count(k, x):\n    return len([n for n in dir(Counted) if n[:1] != '_']) + k\n"
        )

    def _signature(self) -> str:
        n = self.defaults["signature"]
        extra = ", z=0" if self.flags["signature"] else ""
        return (
            f"import inspect\ndef looked_at(x, y={n}{extra}):\n    return leaf{self.tables['signature'][0]}(x)\n"
            "def body_signature(k, x):\n    return str(inspect.signature(looked_at)) if k else looked_at(x)\n"
        )

    def _named(self) -> str:
        a, b, *_ = self.tables["named"]
        return f"N_named = [leaf{a}, leaf{b}]\ndef body_named(k, x):\n    return [f.__name__ for f in N_named][k % 2]\n"

    def _truth(self) -> str:
        bound = f"leaf{self.tables['truth'][0]}" if self.flags["truth"] else "None"
        return f"MAYBE = {bound}\ndef body_truth(k, x):\n    return k if MAYBE else -k\n"

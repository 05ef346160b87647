"""Owners, keys, seals and modes by themselves; what a cache does with them is in `faults/test_security`."""

from __future__ import annotations

import os
import stat

import pytest

from cachepy.errors import UntrustedEntryError, UsageError, UsageValueError
from cachepy.store.trust import SEAL, Trust, key_of, name_of, number_of, umask_of

KEY, OTHER = b"k" * 16, b"o" * 16
NOBODY = 54321  # no such user here
PARTS, BUFFERS = [b"head", b"table", b"meta", b"pickle", b""], [b"a" * 100, b"b" * 100]


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


# ---- owners


def test_only_oneself_is_trusted_unless_told():
    me = os.geteuid()
    assert Trust().trusts(me)
    assert not Trust().trusts(NOBODY)
    assert Trust([NOBODY]).trusts(NOBODY) and not Trust([NOBODY]).trusts(NOBODY + 1)
    assert Trust("*").trusts(NOBODY)
    assert Trust([str(NOBODY)]).trusts(NOBODY)
    assert Trust([name_of(me)]).owners == {me}


def test_a_stranger_is_named_with_what_to_do():
    with pytest.raises(
        UntrustedEntryError, match=rf"x belongs to {NOBODY}, .*CACHEPY_TRUSTED_OWNERS={NOBODY}"
    ) as caught:
        Trust().check_owner("x", NOBODY)
    assert caught.value.who == NOBODY
    Trust([NOBODY]).check_owner("x", NOBODY)


@pytest.mark.parametrize("owner", [1.5, None, True, b"root"])
def test_an_owner_of_a_wrong_type(owner):
    with pytest.raises(UsageError, match="trusted_owners must hold names or numbers"):
        number_of(owner)


def test_an_owner_who_does_not_exist():
    with pytest.raises(UsageValueError, match="no such user"):
        number_of("nobody-of-that-name")


def test_the_environment(monkeypatch):
    monkeypatch.setenv("CACHEPY_TRUSTED_OWNERS", f" {NOBODY} ,, 17")
    monkeypatch.setenv("CACHEPY_SIGNING_KEY", KEY.decode())
    monkeypatch.setenv("CACHEPY_UMASK", "007")
    trust = Trust.of_environment()
    assert (trust.owners, trust.anyone, trust.key, trust.umask) == ({NOBODY, 17}, False, KEY, 0o007)
    for name in ("CACHEPY_TRUSTED_OWNERS", "CACHEPY_SIGNING_KEY", "CACHEPY_UMASK"):
        monkeypatch.setenv(name, "")
    trust = Trust.of_environment()
    assert (trust.owners, trust.anyone, trust.key, trust.umask) == (frozenset(), False, None, None)


def test_one_directory_has_one_key_and_one_umask():
    base = Trust([1], KEY, 0o027)
    more = base.plus((2, "*"), KEY, None, "/cache")
    assert (more.owners, more.anyone, more.key, more.umask) == ({1, 2}, True, KEY, 0o027)
    with pytest.raises(UsageValueError, match=r"signing_key differs .* /cache") as caught:
        base.plus((), OTHER, None, "/cache")
    assert KEY.decode() not in str(caught.value) and OTHER.decode() not in str(caught.value)
    with pytest.raises(UsageValueError, match="umask differs"):
        base.plus((), None, 0, "/cache")


# ---- keys


@pytest.mark.parametrize("short", ["", "x" * 15, b"x" * 15])
def test_a_key_that_can_be_guessed(short):
    with pytest.raises(UsageValueError, match="16 characters or more"):
        key_of("signing_key", short)


@pytest.mark.parametrize("wrong", [1, None, ["secret-secret-secret"], bytearray(KEY)])
def test_a_key_of_a_wrong_type_is_not_shown(wrong):
    with pytest.raises(UsageError, match="signing_key must be a str or bytes") as caught:
        key_of("signing_key", wrong)
    assert "secret-secret" not in str(caught.value)


def test_a_key_from_a_file(tmp_path):
    (tmp_path / "key").write_bytes(KEY + b"\n")
    assert key_of("signing_key", f"@{tmp_path}/key") == KEY
    with pytest.raises(UsageError, match=r"names the file .*none, which cannot be read"):
        key_of("signing_key", f"@{tmp_path}/none")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(UsageValueError, match="16 characters"):
        key_of("signing_key", f"@{tmp_path}/empty")


def test_the_key_is_in_no_repr():
    trust = Trust(key=KEY)
    assert KEY.decode() not in repr(trust) + str(trust)


# ---- seals


def checked(trust, seal, parts=PARTS, buffers=BUFFERS):
    trust.check_seal("x", seal, parts)
    trust.check_buffers("x", seal, buffers)


def test_a_seal_holds():
    seal = Trust(key=KEY).sign(PARTS, BUFFERS)
    assert len(seal) == SEAL
    checked(Trust(key=KEY), seal)
    assert Trust().sign(PARTS, BUFFERS) == b""
    checked(Trust(), b"")
    checked(Trust(), seal)  # without a key there is nothing to check it with


def test_a_seal_is_of_its_key_and_of_every_byte():
    trust = Trust(key=KEY)
    seal = trust.sign(PARTS, BUFFERS)
    for bad in (b"", Trust(key=OTHER).sign(PARTS, BUFFERS), bytes(SEAL), seal[:63], bytes([seal[0] ^ 1]) + seal[1:]):
        with pytest.raises(UntrustedEntryError, match=r"signed|altered"):
            checked(trust, bad)
    for at in range(5):
        parts = [*PARTS[:at], PARTS[at] + b"!", *PARTS[at + 1 :]]
        with pytest.raises(UntrustedEntryError, match="altered"):
            checked(trust, seal, parts)
    for buffers in (
        [b"a" * 100, b"c" * 100],
        [b"a" * 100],
        BUFFERS[::-1],
        [b"a" * 101, b"b" * 99],
        [b"".join(BUFFERS)],
    ):
        with pytest.raises(UntrustedEntryError, match="arrays in x were altered"):
            checked(trust, seal, buffers=buffers)


def test_bytes_cannot_move_from_one_part_to_the_next():
    trust = Trust(key=KEY)
    with pytest.raises(UntrustedEntryError, match="altered"):
        checked(trust, trust.sign([b"ab", b"c"], []), [b"a", b"bc"], [])


def test_halves_of_two_seals_do_not_fit():
    """Else the arrays of one signed entry could be put into another."""
    trust = Trust(key=KEY)
    one, other = trust.sign(PARTS, BUFFERS), trust.sign([b"another", *PARTS[1:]], BUFFERS[::-1])
    with pytest.raises(UntrustedEntryError, match="altered"):
        checked(trust, one[:32] + other[32:], buffers=BUFFERS[::-1])
    with pytest.raises(UntrustedEntryError, match="altered"):
        checked(trust, one[32:] + one[:32])


# ---- modes


def test_folders_are_private_those_above_too(tmp_path, umask):
    Trust().make_folder(str(tmp_path / "a" / "b" / "c") + "/")
    assert [mode(tmp_path / p) for p in ("a", "a/b", "a/b/c")] == [0o700] * 3


def test_a_folder_that_is_there_stays_as_it_is(tmp_path, umask):
    (tmp_path / "a").mkdir()
    os.chmod(tmp_path / "a", 0o751)
    for trust in (Trust(), Trust(umask=0o007)):
        trust.make_folder(str(tmp_path / "a"))
    assert mode(tmp_path / "a") == 0o751
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"File exists|Not a directory"):
        Trust().make_folder(str(tmp_path / "file"))


def test_shared_folders_whatever_the_umask_of_the_process(tmp_path, umask):
    os.chmod(tmp_path, 0o2700)
    Trust(umask=0o007).make_folder(str(tmp_path / "a" / "b"))
    assert [mode(tmp_path / p) for p in ("a", "a/b")] == [0o2770] * 2


def test_what_speaks_for_its_owner_is_never_writable_by_others(tmp_path, umask):
    def made(trust, how):
        with open(tmp_path / f"{how}{trust.umask}", "xb", opener=lambda p, f: os.open(p, f, 0o600)) as file:
            getattr(trust, how)(file.fileno())
        return mode(file.name)

    assert made(Trust(umask=0o007), "open_up") == 0o640
    assert made(Trust(umask=0), "open_up") == 0o644
    assert made(Trust(umask=0o007), "open_for_all") == 0o660
    assert made(Trust(), "open_up") == made(Trust(), "open_for_all") == 0o600


@pytest.mark.parametrize(("given", "mask"), [("007", 7), ("027", 0o27), (0o27, 0o27), ("0", 0), (0, 0)])
def test_a_umask(given, mask):
    assert umask_of("umask", given) == mask


@pytest.mark.parametrize("wrong", ["8", "x", -1, "-7", 0o1000, True, 1.5, "700", 0o777, None])
def test_a_wrong_umask(wrong):
    with pytest.raises(UsageValueError, match="umask"):
        umask_of("umask", wrong)

"""Own digests on workers in processes of their own: what the decorator says travels; what a script registers does not."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.dask

LIBRARY = """
    from cachepy import cache_file, register_digest

    class Known:
        def __init__(self, name, size):
            self.name, self.size = name, size

    @register_digest(Known)
    def what_counts(known):
        return known.name

    @cache_file("CACHE", digest={"model": lambda model: model.name})
    def there(model):
        return model.name
    """
MAIN = """
    from cachepy import cache_file, register_digest
    from dask.distributed import Client, LocalCluster
    from dask_plugin import connect, with_caller
    from far_library import Known, there

    cached = cache_file("CACHE", warn_cheap=False)

    class Model:
        def __init__(self, name, size):
            self.name, self.size = name, size

    class Late(Model):
        pass

    def name_of(model):
        return model.name

    register_digest(Late)(name_of)

    @cached(digest={"model": lambda model: model.name})
    def by_lambda(model):
        return model.name

    @cached(digest={"model": name_of})
    def by_function(model):
        return model.name

    @cached(digest={Model: name_of})
    def by_type(models):
        return models[0].name

    @cached
    def plain(model):
        return model.name

    CALLS = [
        (there, lambda n: Model("a", n)), (by_lambda, lambda n: Model("a", n)), (by_function, lambda n: Model("a", n)),
        (by_type, lambda n: [Model("a", n)] * 2), (plain, lambda n: Known("a", n)), (plain, lambda n: Late("a", n)),
    ]

    if __name__ == "__main__":
        how = {"n_workers": 1, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
        with LocalCluster(**how) as cluster, Client(cluster) as client, connect(client):
            for fn, made in CALLS:
                far = client.submit(with_caller(fn), made(1), pure=False).result()
                print(fn.__name__, far, fn.is_cached(made(2)))
    """


def test_the_key_on_a_worker_is_that_of_the_client(project):
    cache = str(project / "cache")
    project.write("far_library.py", LIBRARY.replace("CACHE", cache))
    project.write("main.py", MAIN.replace("CACHE", cache))
    lines = project.run("main.py").stdout.splitlines()
    assert lines == [
        "there a True", "by_lambda a True", "by_function a True", "by_type a True",
        "plain a True",  # registered in the module of the type
        "plain a False",  # registered in the script only, as the docs say
    ]  # fmt: skip

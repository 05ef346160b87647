
from cachepy import cache_file

@cache_file("cache")
def load(path):
    with open(path) as file:
        return file.read()

@cache_file("cache")
def table(path, rows):
    return {"text": load(path), "rows": list(range(rows))}

@cache_file("cache")
def fail(path):
    raise ValueError(path)

if __name__ == "__main__":
    table("a.txt", 3)
    try:
        fail("a.txt")
    except ValueError:
        pass

"""``python -m cachepy`` is the command ``cachepy``."""

from __future__ import annotations

from cachepy.cli.main import main

if __name__ == "__main__":
    main()

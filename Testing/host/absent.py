"""A Python in which some packages are not installed."""

import sys


class _Without:
    """A finder of modules that does not find some packages."""

    def __init__(self, finder, names):
        self._finder, self._names = finder, names

    def find_spec(self, name, *rest):
        return None if name.partition(".")[0] in self._names else self._finder.find_spec(name, *rest)

    def __getattr__(self, name):
        return getattr(self._finder, name)


def hide(*names):
    """Let this process run as if these packages were not installed; it must not have imported them yet."""
    assert not set(names) & set(sys.modules)
    sys.meta_path[:] = [_Without(finder, names) for finder in sys.meta_path]

# Tests of pytest, of which the second parameter's dies in C, of a null pointer that Python hands on.
import ctypes

import pytest


class TestCart:
    @pytest.mark.parametrize("way", ["cash", "by card"])
    def test_pays(self, way):
        if way == "by card":
            ctypes.string_at(0)

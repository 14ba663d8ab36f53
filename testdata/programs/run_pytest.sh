#!/bin/sh
# Runs the test that lies beside it, as a job would; pytest's own handler of faults would print a traceback and more.
exec python3 -B -m pytest -q --rootdir "$(dirname "$0")" -p no:faulthandler -p no:cacheprovider "$(dirname "$0")/test_cart.py"

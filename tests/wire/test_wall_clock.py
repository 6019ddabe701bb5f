"""Case 50: somebody sets the wall clock by an hour. This machine's clock is never touched: the election runs in a kernel of
its own."""

import os

from lab import guest


def test_case_50_setting_the_wall_clock_by_hours_moves_nothing():
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wall_clock_program.py")
    output = guest.run(program)
    assert output.count("without a transition") == 2, output

"""The system tests import the lab as `lab`; a failed test shows the logs of whatever ran in its lab."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lab import lab as lab_module  # noqa: E402


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed and call.when in ("setup", "call"):
        for each in list(lab_module._open_labs):
            report.sections.append(("the lab", each.account()))

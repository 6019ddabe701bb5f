#!/usr/bin/env python3
"""Whether tests/sbom.sh tells all that a built agent consists of: sbom_test.py BUILD_DIRECTORY

What must be in it is found out here in other ways than there: the libraries by the program's own map of itself while it
runs, the headers by the compiler's -M for one file, versions by dpkg.
"""

import json
import os
import re
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else os.path.join(os.path.dirname(HERE), "build/release")
# Libraries that are only headers, or archives, which nothing of a finished program names.
COMPILED_IN = ["libboost1.74-dev", "libcli11-dev", "nlohmann-json3-dev", "libstdc++-12-dev", "libc6-dev", "linux-libc-dev"]


def output(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def package_of(file):
    for name in (file, file.removeprefix("/usr"), "/usr" + file):
        found = subprocess.run(["dpkg", "-S", name], capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.split(":")[0]
    raise AssertionError(f"no package owns {file}")


def loaded_libraries():
    """By the dynamic linker's own account, of the program and of nothing else."""
    environment = dict(os.environ, LD_DEBUG="files")
    told = subprocess.run([f"{BUILD}/fairlead", "version"], env=environment, capture_output=True, text=True, check=True).stderr
    return {os.path.realpath(path) for path in re.findall(r"calling init: (/\S+)", told)}


class Sbom(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = output(f"{HERE}/sbom.sh", BUILD)
        cls.document = json.loads(cls.text)
        cls.components = {each["name"]: each for each in cls.document["components"]}

    def test_it_is_a_cyclonedx_document(self):
        self.assertEqual((self.document["bomFormat"], self.document["specVersion"], self.document["version"]), ("CycloneDX", "1.5", 1))
        self.assertRegex(self.document["metadata"]["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        references = [self.document["metadata"]["component"]["bom-ref"], *(each["bom-ref"] for each in self.document["components"])]
        self.assertEqual(len(references), len(set(references)))
        (dependencies,) = self.document["dependencies"]
        self.assertEqual(sorted([dependencies["ref"], *dependencies["dependsOn"]]), sorted(references))

    def test_it_is_about_this_program(self):
        version = json.loads(output(f"{BUILD}/fairlead", "version", "-o", "json"))
        about = self.document["metadata"]["component"]
        self.assertEqual((about["name"], about["version"]), ("fairlead", version["version"]))
        self.assertEqual(about["properties"], [{"name": "fairlead:commit", "value": version["commit"]}])

    def test_every_library_that_the_program_loads_is_in_it(self):
        libraries = loaded_libraries()
        self.assertGreater(len(libraries), 10)
        for library in libraries:
            package = package_of(library)
            self.assertIn(package, self.components, library)
            self.assertIn({"name": "fairlead:linkage", "value": "shared"}, self.components[package]["properties"], library)

    def test_what_is_compiled_into_the_program_is_in_it(self):
        for package in COMPILED_IN:
            self.assertIn(package, self.components)

    def test_versions_and_purls_are_those_of_dpkg(self):
        for name, component in self.components.items():
            version, architecture, source = output(
                "dpkg-query", "-W", "-f", "${Version}\n${Architecture}\n${source:Package}\n", name
            ).split("\n")[:3]  # fmt: skip
            self.assertEqual(component["version"], version, name)
            self.assertRegex(component["purl"], r"^pkg:deb/debian/[A-Za-z0-9.%-]+@[A-Za-z0-9.%-]+\?arch=\w+&distro=debian-12&upstream=[A-Za-z0-9.%-]+$")
            self.assertIn(f"?arch={architecture}&", component["purl"])
            self.assertIn(f"&upstream={source.replace('+', '%2B')}%40", component["purl"])

    def test_the_same_build_gives_the_same_bytes(self):
        self.assertEqual(output(f"{HERE}/sbom.sh", BUILD), self.text)

    def test_without_a_build_it_says_so(self):
        failed = subprocess.run([f"{HERE}/sbom.sh", "/nonexistent"], capture_output=True, text=True)
        self.assertEqual((failed.returncode, failed.stdout), (1, ""))
        self.assertEqual(failed.stderr, "sbom.sh: there is no built agent in /nonexistent\n")


if __name__ == "__main__":
    unittest.main()

"""Map the five top-level folders below the package `triptych` and discover their sub-packages."""

from setuptools import find_packages, setup

FOLDERS = ("codecs", "entropy", "bitstream", "tools", "weights")

packages = {"triptych": "src/triptych"}
for folder in FOLDERS:
    packages[f"triptych.{folder}"] = folder
    packages |= {f"triptych.{folder}.{name}": f"{folder}/{name.replace('.', '/')}" for name in find_packages(folder)}

setup(packages=list(packages), package_dir=packages)

"""What pyproject.toml cannot say: ``configs/`` lies at the top of the repository and is installed as ``susx/configs``, and of a checkout
only what git tracks is packed: a data set or profile that somebody keeps there is nobody else's."""

import os
import subprocess
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


def tracked_files():
    """Return the files that git tracks, None where this is no checkout (an unpacked sdist) or git is not there."""
    if not (ROOT / ".git").exists():
        return None
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return {os.fsdecode(name) for name in listed.split(b"\0") if name}


class TrackedData(build_py):
    """Packs data files as always, without those that git does not track."""

    def find_data_files(self, package, src_dir):
        """Return the data files of a package."""
        files = super().find_data_files(package, src_dir)
        tracked = tracked_files()
        if tracked is None:
            return files
        return [file for file in files if Path(file).absolute().relative_to(ROOT).as_posix() in tracked]


setup(
    packages=[*find_packages(include=["susx", "susx.*"]), "susx.configs"],
    package_dir={"susx.configs": "configs"},
    cmdclass={"build_py": TrackedData},
)

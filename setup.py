"""What pyproject.toml cannot say: ``configs/`` lies at the top of the repository and is installed as ``susx/configs``."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["susx", "susx.*"]), "susx.configs"],
    package_dir={"susx.configs": "configs"},
)

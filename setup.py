"""What pyproject.toml cannot say: a description and addresses that depend on one setting there."""

import sys
from pathlib import Path

from setuptools import setup

sys.path.insert(0, str(Path(__file__).parent / "scripts"))

from package_description import addresses, description

setup(
    long_description=description(),
    long_description_content_type="text/markdown",
    project_urls=addresses(),
)

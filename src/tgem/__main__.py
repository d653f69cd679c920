"""``python -m tgem``."""

from tgem.cli import app

app()

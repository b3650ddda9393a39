"""`python -m scripts.operator`: what `.venv/bin/tenkacloud` runs."""

from scripts.operator.app import main
from scripts.tooling import project

if __name__ == "__main__":
    project.run(main)

"""`python -m omnibridge.cli` is the `omnibridge` command."""

from omnibridge.cli import main

if __name__ == "__main__":
    main()

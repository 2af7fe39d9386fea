"""Entry point of the `imbtool` command and of `python -m imbtool`."""

from imbtool.cli import main

if __name__ == "__main__":
    main()

"""``python -m allocopt`` is the command line."""

from allocopt.cli import main

if __name__ == "__main__":
    main()

"""`python -m modalconflict` is the command `modalconflict`."""

from modalconflict.cli import main

if __name__ == "__main__":
    main()

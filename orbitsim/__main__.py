"""`python -m orbitsim`: the command line."""

from orbitsim.cli import main

if __name__ == "__main__":
    main()

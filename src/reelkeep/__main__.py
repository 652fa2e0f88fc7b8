"""`python -m reelkeep` is `reelkeep`."""

from reelkeep.cli import main

if __name__ == "__main__":
    main()

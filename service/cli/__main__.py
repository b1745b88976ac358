"""`python -m service.cli`: the same as `billing`."""

from service.cli import main

if __name__ == "__main__":
    main()

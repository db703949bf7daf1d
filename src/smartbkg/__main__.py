"""``python -m smartbkg`` is the command ``smartbkg``."""

from smartbkg.cli import main

if __name__ == "__main__":
    main()

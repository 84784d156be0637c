"""`python -m hydrometer.cli`, for environments without the script on the path."""

from hydrometer.cli.main import main

main()

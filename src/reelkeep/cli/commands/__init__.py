"""One module for each command of the first level, with its `app`."""

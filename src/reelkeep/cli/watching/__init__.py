"""A watched folder: see a file, wait until it is whole, bring it in, put it away."""

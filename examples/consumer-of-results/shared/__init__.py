"""What the programs of this project share; the sentiment consumer has a package of the same name."""

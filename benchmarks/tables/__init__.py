"""One program per paper: its tables on the networks and photos that are here."""

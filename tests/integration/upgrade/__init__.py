"""An earlier version and this one in one group; run by `make test-upgrade`, which installs the earlier one."""

"""Many audits together: one file per audit to pass around, a site of many, and a server that takes them in."""

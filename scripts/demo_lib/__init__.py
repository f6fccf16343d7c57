"""scripts/demo: the node on real video, a task taught while it runs, and a summary of what held."""

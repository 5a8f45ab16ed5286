"""The stages of a build and the graph that joins them; they work without Prefect."""

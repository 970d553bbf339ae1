"""The sample project is run by a test, in a folder of its own."""

collect_ignore = ["sample"]

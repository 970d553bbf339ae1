"""Wire formats, one file each: tables, and the few hooks that a table cannot say. They know no provider."""

"""Many targets behind one face."""

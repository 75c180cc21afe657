"""The embedded backend: broker and store on one SQLite file, in one process, with nothing to install."""

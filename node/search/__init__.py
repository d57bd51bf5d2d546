"""Search: what is committed here, in SQLite files beside the database, kept by a child process.

`feed` • reads the slots' entries, `child` writes them into `index`, `searcher` starts and watches
the child, `answers` shows what was found through the streams' own reads. A file that is lost or
damaged is built anew from the slots; nothing waits for it meanwhile.
"""

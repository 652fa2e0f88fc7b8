"""Postgres that comes with Reelkeep: its binaries, its private places, its supervisor, its clients.

Each client process holds a shared lock on a file; a supervisor process of its own starts the server and
waits for the exclusive lock. The kernel grants that when the last client has gone, kill -9 included, and the
server is stopped. Nothing is counted and nothing beats.
"""

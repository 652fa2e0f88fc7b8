"""Backups of the database and of blobs, and putting them back on an empty machine."""

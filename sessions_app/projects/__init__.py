"""Directories under the project roots, what git says about them, and reading their files safely.

From outside: `directories.resolve_project`, `directories.open_project`, `git`, `files`.
"""

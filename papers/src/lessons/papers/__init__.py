"""The literature of lessons: its bibliography, the originals, and the contract of a package."""

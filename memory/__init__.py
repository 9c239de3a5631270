"""Memory: what is kept of a stream, and how it is found again."""

"""App: what people touch: the command line, the web demo, the server, offline scoring."""

"""Pipeline: the moving parts: sources, threads, queues and clocks."""

"""Models: tensors in, tensors or text out. No threads, no files but weights."""

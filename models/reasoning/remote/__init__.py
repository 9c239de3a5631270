"""A reasoner on a model server that speaks the OpenAI protocol."""

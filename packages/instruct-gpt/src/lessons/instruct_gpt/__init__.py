"""InstructGPT."""

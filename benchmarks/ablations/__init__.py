"""The study of design choices: variants, their networks, inner splits, and the statistics."""

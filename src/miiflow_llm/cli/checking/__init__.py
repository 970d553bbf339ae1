"""What `check` tries on an OpenAI-compatible server, judged from the recorded bytes alone."""

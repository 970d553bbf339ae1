"""What `check` tries on an OpenAI-compatible server, judged only from the recorded bytes."""

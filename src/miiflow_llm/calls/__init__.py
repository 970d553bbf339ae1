"""One call: exchange, retries, deadlines, streams, structured answers, the tool loop."""

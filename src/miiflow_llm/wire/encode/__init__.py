"""Write requests: from a unified request to the bytes of its body."""

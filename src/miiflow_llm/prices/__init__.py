"""What calls cost before and after they are made, and how much may be spent."""

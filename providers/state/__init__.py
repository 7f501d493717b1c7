"""What the providers keep in their database: jobs, and the steps that take operations back."""
